"""What an agent says where its configuration leaves it open, by language."""

from attrs import frozen


@frozen
class Phrases:
    """Templates; see `template.VARIABLES` for what stands in braces."""

    prompt: str
    greeting: str
    goodbye: str
    apology: str
    idle_prompt: str
    filler: str
    busy: str
    transfer_announcement: str
    transfer_failed: str
    resumed: str
    voicemail: str


FRENCH = Phrases(
    prompt="Tu es {name}, et tu réponds au téléphone pour {company}. Réponds en une ou deux"
    " phrases courtes, comme on parle, sans liste ni mise en forme.",
    greeting="Bonjour, {name} de {company}, je vous écoute.",
    goodbye="Merci de votre appel, au revoir.",
    apology="Je suis désolé, un problème technique m'empêche de continuer."
    " Merci de rappeler dans quelques minutes.",
    idle_prompt="Allô, vous êtes toujours là ?",
    filler="Un instant, s'il vous plaît.",
    busy="Toutes nos lignes sont occupées. Merci de rappeler dans quelques minutes.",
    transfer_announcement="Un instant, je vous mets en relation.",
    transfer_failed="Personne n'a pu prendre l'appel. Puis-je vous aider autrement ?",
    resumed="Pardon, la ligne a été coupée un instant. Je vous écoute.",
    voicemail="Bonjour, ici {name} de {company}. Je cherchais à vous joindre. Bonne journée.",
)
ENGLISH = Phrases(
    prompt="You are {name}, and you answer the telephone for {company}. Answer in one or two"
    " short sentences, as people speak, without lists or formatting.",
    greeting="Hello, this is {name} at {company}. How can I help you?",
    goodbye="Thank you for calling, goodbye.",
    apology="I am sorry, a technical problem keeps me from going on."
    " Please call again in a few minutes.",
    idle_prompt="Hello, are you still there?",
    filler="One moment, please.",
    busy="All our lines are busy. Please call again in a few minutes.",
    transfer_announcement="One moment, I will put you through.",
    transfer_failed="Nobody could take the call. Can I help you otherwise?",
    resumed="Sorry, the line was cut for a moment. Please go on.",
    voicemail="Hello, this is {name} at {company}. I was trying to reach you. Have a good day.",
)


def phrases(language: str) -> Phrases:
    """The phrases for a language tag; English where there are none."""
    return {"fr": FRENCH}.get(language.split("-")[0], ENGLISH)
