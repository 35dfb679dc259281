"""Trio clients of the engines that hear, think and speak."""
