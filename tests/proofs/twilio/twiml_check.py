"""Rebuilds TwiML with Twilio's own builder and compares the two documents."""

import inspect
import xml.etree.ElementTree as ET

from twilio.twiml.voice_response import VoiceResponse

# Attributes that are Python keywords carry an underscore in the library.
RENAMED = {"from": "from_"}


def canonical(xml):
    """One spelling for each document: sorted attributes, no white space between elements."""
    return ET.canonicalize(xml, strip_text=True)


def snake(name):
    plain = "".join("_" + c.lower() if c.isupper() else c for c in name)
    return RENAMED.get(plain, plain)


def rebuild(parent, element):
    """Adds `element` to `parent` by the parent's own method, which names the attributes that exist.

    The methods also take any other keyword, so what is not in their signature is a misspelling.
    """
    method = getattr(parent, element.tag.lower(), None)
    if not (element.tag[:1].isupper() and inspect.ismethod(method)):
        raise ValueError(f"<{parent.name}> has no <{element.tag}>")
    known = [p.name for p in inspect.signature(method).parameters.values() if p.kind is not p.VAR_KEYWORD]
    given = {snake(name): value for name, value in element.attrib.items()}
    for name in given:
        if name not in known:
            raise ValueError(f"<{element.tag}> has no attribute {name}")
    body = (element.text or "").strip()
    if body:
        if not known:
            raise ValueError(f"<{element.tag}> has no text")
        given[known[0]] = body
    node = method(**given)
    for child in element:
        rebuild(node, child)


def check(xml):
    """None if Twilio's builder makes the same document, else what differs."""
    try:
        root = ET.fromstring(xml)
        if root.tag != "Response":
            return f"the root is <{root.tag}>"
        response = VoiceResponse()
        for verb in root:
            rebuild(response, verb)
    except (ET.ParseError, TypeError, ValueError) as e:
        return str(e)
    ours, theirs = canonical(xml), canonical(str(response))
    return None if ours == theirs else f"ours {ours}, Twilio's {theirs}"
