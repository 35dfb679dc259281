"""The demo's world, as data: what callers of Chez Sesame say, and what its agent answers."""

from attrs import frozen

GRAMMAR = """#JSGF V1.0;
grammar restaurant;
<people> = two | four | five | ten;
<day> = tuesday | wednesday | friday | saturday | sunday | tomorrow;
<time> = noon | one | eight;
<when> = [ [ on ] <day> ] at <time> | [ on ] <day>;
<greeting> = hello | hi there;
<hours> = what time do you open [ on <day> ] | what time do you close [ on <day> ]
    | what are your opening hours | are you open on <day>;
<booking> = i would like to book a table [ for <people> [ people ] ] [ <when> ]
    | can i book a table for <people> people [ <when> ]
    | <people> people [ <when> ] | at <time>;
<menu> = [ can you ] tell me about the menu | what is on the menu
    | do you have vegetarian dishes | what are your specials;
<place> = where are you | what is your address | what is the phone number;
<thanks> = thank you [ very much ] | [ thank you ] goodbye;
<backchannel> = yeah | okay [ thank you ] | yes please | no thank you | sounds great;
<barge> = wait | please wait | no i meant <when> | sorry could you repeat that;
<topic> = <greeting> | <hours> | <booking> | <menu> | <place> | <thanks> | <backchannel> | <barge>;
public <said> = [ wait | sorry ] <topic>;
"""
"""JSGF for the ear: whatever is said, it hears one of these. Each word is in the CMU dictionary.

It holds whole sentences rather than loose words: the fewer ways on, the surer the ear. A telephone
line ends at 3.4 kHz, so of words that differ only above (six, seven and eight; Monday and Sunday)
one is here.
"""


@frozen
class Rule:
    """The answer to a caller whose words match `pattern` (a regular expression).

    `{people}`, `{day}` and `{time}` in the answer are what the caller has said in the whole call;
    a rule with such a name needs it to be known.
    """

    pattern: str
    answer: str


RULES = (
    Rule(r"\bno i meant\b", "Of course, {day} at {time} then. I have changed your booking."),
    Rule(r"\b(vegetarian|vegan)\b",
         "Yes, we do. We have a mushroom risotto and a warm goat cheese salad, and both are "
         "vegetarian. Shall I note it on your booking?"),
    Rule(r"\b(menu|specials)\b",
         "With pleasure. To start, there is a leek soup and a plate of cured ham from the "
         "mountains. Then the chef makes a slow roasted lamb with beans, a grilled sea bass with "
         "fennel, and a duck breast with cherries. For dessert, we have a chocolate tart, a lemon "
         "sorbet, and the house cheese board. Every dish comes with fresh bread and a small "
         "green salad."),
    Rule(r"\bclose\b", "We close at eleven in the evening, and the kitchen takes its last orders "
         "at ten."),
    Rule(r"\b(open|hours)\b.*\bsunday\b", "I am sorry, we are closed on Sunday. We are open every "
         "other day from noon until eleven in the evening."),
    Rule(r"\b(open|hours)\b", "We are open from noon until eleven in the evening, every day but "
         "Sunday. Would you like to book a table?"),
    Rule(r"\b(address|where are you)\b", "We are at twelve Garden Street, right behind the old "
         "market. The nearest station is two minutes away on foot."),
    Rule(r"\bphone number\b", "You can reach us at this very number, every day from ten in the "
         "morning."),
    Rule(r"\b(goodbye|bye)\b", "Thank you for calling. We look forward to seeing {people} of you "
         "at {time}. Goodbye."),
    Rule(r"\b(goodbye|bye)\b", "Thank you for calling Chez Sesame. Goodbye."),
    Rule(r"\b(book|people|table|at (noon|one|eight))\b",
         "Very good. A table for {people}, {day} at {time}, is booked for you. Is there anything "
         "else I can do?"),
    Rule(r"\b(book|people|table|at (noon|one|eight))\b",
         "Very good. A table for {people} at {time} is booked for you. Is there anything else I "
         "can do?"),
    Rule(r"\b(book|people|table)\b", "With pleasure. For {people} people, at what time?"),
    Rule(r"\b(book|table|at (noon|one|eight))\b", "With pleasure. For how many people?"),
    Rule(r"\brepeat\b", "Of course. You have a table for {people} at {time}."),
    Rule(r"\byes please\b", "It is noted. Is there anything else I can do?"),
    Rule(r"\b(thank you|thanks)\b", "You are welcome. Is there anything else I can do?"),
    Rule(r"\b(hello|hi)\b", "Hello, this is Chez Sesame. How can I help you?"),
    Rule(r"\b(wait|stop)\b", "Yes, I am listening."),
    Rule(r"\bbonjour\b", "Bonjour, ici Chez Sesame. Que puis-je faire pour vous?"),
)  # fmt: skip
"""The first rule that matches, and whose names are known, answers."""

OTHERWISE = (
    "I am sorry, I did not quite get that. Would you like to book a table, or hear the menu?"
)

MEMORY = {
    "people": r"\b(two|four|five|ten) people\b|\bfor (two|four|five|ten)\b",
    "time": r"\bat (noon|one|eight)\b",
    "day": r"\b((?:tues|wednes|fri|satur|sun)day|tomorrow)\b",
}
"""What is remembered of all that the caller has said: the last match of each."""
