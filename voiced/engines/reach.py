"""Why an engine cannot be reached, in a sentence that says what to mend."""

import socket
import ssl
from collections.abc import Iterator


def why_unreachable(error: BaseException, where: str, program: str) -> str:
    """Tells a failure to connect from its causes; `program` is what should listen at `where`."""
    for cause in _causes(error):
        match cause:
            case ConnectionRefusedError():
                return f"nothing listens at {where}: is {program} running?"
            case socket.gaierror():
                return f"the host name in {where} is not known: check the address, or DNS"
            case ssl.SSLCertVerificationError():
                return f"the certificate of {where} is not valid: {cause.verify_message}"
            case ssl.SSLError():
                return f"{where} does not speak TLS: should the address begin without the s?"
    return f"there is no way to {where}: check the address, the network and the firewall"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything behind it; one attempt per address makes groups."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    behind = error.__cause__ or error.__context__
    if behind is not None:
        yield from _causes(behind)
