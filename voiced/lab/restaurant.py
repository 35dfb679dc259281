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
    | do you have a table for <people> [ people ] <when>
    | for <people> people | <people> people [ <when> ] | [ on <day> ] at <time>;
<menu> = [ can you ] tell me about the menu | what is on the menu
    | do you have vegetarian dishes | what are your specials;
<place> = where are you | what is your address | what is the phone number;
<service> = can i speak to a person [ please ] | do you speak french;
<thanks> = thank you [ very much ] | [ thank you ] goodbye;
<backchannel> = yeah | okay [ thank you ] | yes please | no thank you | sounds great;
<barge> = wait | please wait | no i meant ( <when> | <people> people )
    | sorry could you repeat that;
<topic> = <greeting> | <hours> | <booking> | <menu> | <place> | <service> | <thanks> | <backchannel>
    | <barge>;
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


QUESTIONS = (
    Rule(r"\b(vegetarian|vegan)\b",
         "Yes, we do: a mushroom risotto, and a warm goat cheese salad."),
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
)  # fmt: skip

FAREWELLS = (
    Rule(r"\b(goodbye|bye)\b", "Thank you for calling. We look forward to seeing {people} of you "
         "at {time}. Goodbye."),
    Rule(r"\b(goodbye|bye)\b", "Thank you for calling Chez Sesame. Goodbye."),
)  # fmt: skip

CHANGE = Rule(r"\bno i meant\b", "Of course, {day} at {time} then. I have changed your booking.")
BOOKINGS = (
    Rule(r"\b(book|people|table|at (noon|one|eight))\b",
         "Very good. A table for {people}, {day} at {time}, is booked for you. Is there anything "
         "else I can do?"),
    Rule(r"\b(book|people|table|at (noon|one|eight))\b",
         "Very good. A table for {people} at {time} is booked for you. Is there anything else I "
         "can do?"),
    Rule(r"\b(book|people|table)\b", "With pleasure. For {people} people, at what time?"),
    Rule(r"\b(book|table|at (noon|one|eight))\b", "With pleasure. For how many people?"),
    Rule(r"\brepeat\b", "Of course. You have a table for {people} at {time}."),
)  # fmt: skip
"""Of a model that has no tool for that and only says so."""

MANNERS = (
    Rule(r"\byes please\b", "It is noted. Is there anything else I can do?"),
    Rule(r"\b(thank you|thanks)\b", "You are welcome. Is there anything else I can do?"),
    Rule(r"\b(hello|hi)\b", "Hello, this is Chez Sesame. How can I help you?"),
    Rule(r"\b(wait|stop)\b", "Yes, I am listening."),
    Rule(r"\bbonjour\b", "Bonjour, ici Chez Sesame. Que puis-je faire pour vous?"),
)

RULES = (CHANGE, *QUESTIONS, *FAREWELLS, *BOOKINGS, *MANNERS)
"""The first rule that matches, and whose names are known, answers."""

OTHERWISE = (
    "I am sorry, I did not quite get that. Would you like to book a table, or hear the menu?"
)

# --- what it says of bookings where it can make them --------------------------------------------

ANNOUNCES = "I am booking a table for {guests} {day} at {time}."
BOOKED = "Your table for {guests} {day} at {time} is booked. Your reference is {reference}."
FULL = (
    "I am sorry, there is no table left at {asked}. I could offer you {time} instead. "
    "Shall I book it?"
)
FULL_ALL_DAY = (
    "I am sorry, there is no table left that day. For which other day would you like one?"
)
LOOKS = "Let me look."
FREE = "Yes, there is a table for {guests} {day} at {time}. Shall I book it?"
BOOKED_ALREADY = "Your table is booked, and I cannot change that myself."
NOT_BOOKED = "I am sorry, I cannot book a table just now."
PUT_THROUGH = "Shall I put you through to a person?"
CALL_AGAIN = "Please call us again a little later."
PUTS_THROUGH = "I am putting you through to a person."
ASKS = {
    "guests": "With pleasure. For how many people?",
    "day": "With pleasure. For which day?",
    "time": "With pleasure. At what time?",
}
"""What is asked for where it is missing."""

BOOKS = r"\b(book|table|people)\b"
LOOKS_FOR = r"\bdo you have a table\b"
