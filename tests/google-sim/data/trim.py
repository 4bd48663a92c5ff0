"""Makes the trimmed discovery documents beside this file from an installed google-api-python-client.

Usage: python trim.py [FOLDER of the package's discovery documents]
Kept is what the simulator serves and checks: the methods below, the schemas that they reach, parameters and scopes, each
word for word. Left out are all other methods and schemas, and the prose.
"""

import json
import pathlib
import re
import sys

METHODS = {
    "calendar.v3": [
        "calendar.calendars.get",
        "calendar.calendarList.insert",
        "calendar.calendarList.list",
        "calendar.events.delete",
        "calendar.events.get",
        "calendar.events.insert",
        "calendar.events.list",
        "calendar.events.patch",
        "calendar.events.update",
        "calendar.freebusy.query",
    ],
    "gmail.v1": [
        "gmail.users.getProfile",
        "gmail.users.drafts.create",
        "gmail.users.drafts.delete",
        "gmail.users.drafts.get",
        "gmail.users.drafts.list",
        "gmail.users.drafts.send",
        "gmail.users.messages.get",
        "gmail.users.messages.list",
        "gmail.users.messages.send",
    ],
    "oauth2.v2": ["oauth2.tokeninfo", "oauth2.userinfo.get"],
}
PROSE = {"description", "enumDescriptions", "enumDeprecated", "icons", "documentationLink", "deprecated"}


def without_prose(value, names=False):
    """`names`: the keys of this object are names of fields, where `description` is one like any other."""
    if isinstance(value, dict):
        kept = value.items() if names else ((k, v) for k, v in value.items() if k not in PROSE)
        inside = {"properties", "parameters", "schemas", "scopes", "methods", "resources"}
        return {k: without_prose(v, not names and k in inside) for k, v in kept}
    if isinstance(value, list):
        return [without_prose(v) for v in value]
    return value


def only(tree, wanted):
    methods = {name: m for name, m in tree.get("methods", {}).items() if m["id"] in wanted}
    resources = {name: only(r, wanted) for name, r in tree.get("resources", {}).items()}
    kept = {"methods": methods, "resources": {name: r for name, r in resources.items() if r}}
    return {key: value for key, value in kept.items() if value}


def reached(document):
    open_, found = re.findall(r'"\$ref": "(\w+)"', json.dumps([document.get("methods"), document.get("resources")])), set()
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += re.findall(r'"\$ref": "(\w+)"', json.dumps(document["schemas"][name]))
    return found


def main():
    if len(sys.argv) > 1:
        source = pathlib.Path(sys.argv[1])
    else:
        import googleapiclient.discovery_cache

        source = pathlib.Path(googleapiclient.discovery_cache.__file__).parent / "documents"
    for name, wanted in METHODS.items():
        document = json.loads((source / f"{name}.json").read_text())
        tree = only(document, wanted)
        document = without_prose({k: v for k, v in document.items() if k not in ("methods", "resources")} | tree)
        schemas = reached(document)
        document["schemas"] = {k: v for k, v in document["schemas"].items() if k in schemas}
        here = pathlib.Path(__file__).parent / f"{name}.json"
        here.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        print(f"{here.name}: revision {document['revision']}, {len(schemas)} schemas")


if __name__ == "__main__":
    main()
