"""Google's own clients against google-sim.

Usage: proof.py BASE KEY-FILE CLIENT-FILE
Every check is counted; the first that fails ends the proof with its name.
"""

import base64
import email
import http.client
import json
import os
import sys
import threading
import urllib.request
import webbrowser

# The simulator speaks http, and short names of scopes come back long: oauthlib refuses both unless it is told.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["OAUTHLIB_RELAX_TOKEN_SCOPE"] = "1"

import google.auth.exceptions
import google.auth.jwt
import google.auth.transport.requests
import google.oauth2.credentials
import google_auth_oauthlib.flow
import googleapiclient.discovery
from google.oauth2 import service_account
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

BASE, KEY_FILE, CLIENT_FILE = sys.argv[1:]
AUTH = "https://www.googleapis.com/auth/"
EVENTS, FREE_BUSY, SEND, COMPOSE = (AUTH + name for name in ["calendar.events", "calendar.freebusy", "gmail.send", "gmail.compose"])
DR = "dr-osei@clinic.example"
USER = "frontdesk@clinic.example"
LETTER = (
    "From: Clinic <frontdesk@clinic.example>\r\nTo: Ana <ana@patient.example>\r\nMessage-ID: <bk1@clinic.example>\r\n"
    "Subject: Appointment K7Q-4MR confirmed\r\n\r\nSee you on Tuesday.\r\n"
).encode()

passed = 0


def check(good, what):
    global passed
    if not good:
        sys.exit(f"proof.py: FAILED: {what}")
    passed += 1


def control(path, body=None, method="POST"):
    data = None if method == "GET" else (body or "").encode()
    request = urllib.request.Request(f"{BASE}/sim/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def refused(act, status, reason, what):
    """The client raises HttpError with that status and `errors[0].reason`."""
    try:
        act()
    except HttpError as error:
        found = json.loads(error.content)["error"]["errors"][0]["reason"]
        check((error.status_code, found) == (status, reason), f"{what}: {error.status_code} {found}")
        return error
    sys.exit(f"proof.py: FAILED: {what}: nothing was refused")


def no_token(act, words, what, retryable=False):
    """google-auth raises RefreshError."""
    try:
        act()
    except google.auth.exceptions.RefreshError as error:
        check(words in str(error) and error.retryable == retryable, f"{what}: {error}")
        return
    sys.exit(f"proof.py: FAILED: {what}: a token was given")


def service(name, version, credentials, own_document=False):
    """A client of the simulator's document, or of the whole one that Google ships with the package."""
    if own_document:
        url = BASE + "/discovery/v1/apis/{api}/{apiVersion}/rest"
        return googleapiclient.discovery.build(
            name, version, credentials=credentials, discoveryServiceUrl=url, static_discovery=False, cache_discovery=False
        )
    endpoint = {"calendar": "/calendar/v3/", "gmail": "/", "oauth2": "/"}[name]
    options = {"api_endpoint": BASE + endpoint}
    return googleapiclient.discovery.build(name, version, credentials=credentials, client_options=options)


def transport():
    return google.auth.transport.requests.Request()


def robot(scopes, subject=None):
    return service_account.Credentials.from_service_account_file(KEY_FILE, scopes=scopes, subject=subject)


class Script:
    """A browser without a window: it follows where it is sent."""

    def open(self, url, new=0, autoraise=True):
        threading.Thread(target=lambda: urllib.request.urlopen(url).read(), daemon=True).start()
        return True


def log_in(scopes):
    flow = google_auth_oauthlib.flow.InstalledAppFlow.from_client_secrets_file(CLIENT_FILE, scopes)
    webbrowser.register("script", None, Script())
    return flow.run_local_server(
        host="127.0.0.1", port=0, browser="script", authorization_prompt_message="", timeout_seconds=30,
        access_type="offline", prompt="consent",
    )


def service_accounts():
    credentials = robot([EVENTS, FREE_BUSY])
    credentials.refresh(transport())
    check(credentials.valid and credentials.token.startswith("ya29."), "a service account's token")
    no_token(lambda: robot(["https://www.googleapis.com/auth/calender"]).refresh(transport()), "invalid_scope", "a misspelt scope")
    no_token(lambda: robot([EVENTS], USER).refresh(transport()), "unauthorized_client", "a scope that is not delegated")
    no_token(lambda: robot([SEND], "x@clinic.example").refresh(transport()), "Invalid email or User ID", "an unknown user")
    control("faults", "500*2@oauth.token")
    credentials.refresh(transport())
    check(credentials.valid, "the library tries again after 500")
    return credentials


def people():
    credentials = log_in([EVENTS, FREE_BUSY, "openid", AUTH + "userinfo.email"])
    check(credentials.refresh_token is not None, "a refresh token")
    check(FREE_BUSY in credentials.granted_scopes, "what was granted")
    claims = google.auth.jwt.decode(credentials.id_token, verify=False)
    check(claims["email"] == USER and claims["email_verified"] is True, "an id token")
    first = credentials.token
    credentials.refresh(transport())
    check(credentials.token != first and credentials.valid, "a refresh")
    info = service("oauth2", "v2", credentials).userinfo().get().execute()
    check(info["email"] == USER, "userinfo")
    tokens = service("oauth2", "v2", credentials).tokeninfo(access_token=credentials.token).execute()
    check(tokens["email"] == USER and FREE_BUSY in tokens["scope"], "tokeninfo")
    client = json.load(open(CLIENT_FILE))["installed"]
    stored = google.oauth2.credentials.Credentials(
        None, refresh_token=credentials.refresh_token, token_uri=client["token_uri"],
        client_id=client["client_id"], client_secret=client["client_secret"],
    )
    stored.refresh(transport())
    check(stored.valid, "stored credentials")
    return credentials


def consents():
    control("consent", f"only {EVENTS}")
    partly = log_in([EVENTS, FREE_BUSY])
    check(partly.granted_scopes == [EVENTS], f"unticked: {partly.granted_scopes}")
    busy = {"timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-02T00:00:00Z", "items": [{"id": DR}]}
    error = refused(
        lambda: service("calendar", "v3", partly).freebusy().query(body=busy).execute(), 403, "insufficientPermissions", "scope"
    )
    check(error.error_details[0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "the detail of a missing scope")
    control("consent", "deny")
    try:
        log_in([EVENTS])
        sys.exit("proof.py: FAILED: denied, and granted all the same")
    except Exception as error:
        check("access_denied" in str(error), f"denied: {error!r}")
    control("consent", "grant")


def event(id, hour):
    return {
        "id": id,
        "summary": "Appointment K7Q-4MR",
        "start": {"dateTime": f"2026-12-01T{hour:02}:00:00+00:00", "timeZone": "Europe/London"},
        "end": {"dateTime": f"2026-12-01T{hour:02}:30:00+00:00", "timeZone": "Europe/London"},
        "reminders": {"useDefault": False, "overrides": []},
        "extendedProperties": {"private": {"fd_booking": id, "fd_rev": "0"}},
    }


def pages(events, request):
    found = []
    while request is not None:
        answer = request.execute()
        found += answer.get("items", [])
        last, request = answer, events.list_next(request, answer)
    return found, last


def calendars(credentials, own_document, prefix):
    calendar = service("calendar", "v3", credentials, own_document)
    events = calendar.events()
    first = events.insert(calendarId=DR, body=event(prefix + "1", 9)).execute()
    check(first["etag"].startswith('"') and first["iCalUID"] == prefix + "1@google.com", "an inserted event")
    check(events.get(calendarId=DR, eventId=first["id"]).execute() == first, "the same again")
    refused(lambda: events.insert(calendarId=DR, body=event(prefix + "1", 9)).execute(), 409, "duplicate", "an id twice")
    refused(lambda: events.insert(calendarId=DR, body=event("bk-1", 9)).execute(), 400, "invalid", "an illegal id")
    unknown = event(prefix + "9", 9) | {"titel": "x"}
    refused(lambda: events.insert(calendarId=DR, body=unknown).execute(), 400, "badRequest", "an unknown field")
    guests = {"attendees": [{"email": "ana@patient.example"}]}
    if isinstance(credentials, service_account.Credentials):
        patch = events.patch(calendarId=DR, eventId=first["id"], body=guests)
        refused(patch.execute, 403, "forbiddenForServiceAccounts", "guests of a service account")

    patch = events.patch(calendarId=DR, eventId=first["id"], body={"extendedProperties": {"private": {"fd_rev": "1"}}})
    patch.headers["If-Match"] = first["etag"]
    second = patch.execute()
    check(second["extendedProperties"]["private"] == {"fd_booking": prefix + "1", "fd_rev": "1"}, "a patch")
    stale = events.delete(calendarId=DR, eventId=first["id"])
    stale.headers["If-Match"] = first["etag"]
    refused(stale.execute, 412, "conditionNotMet", "a stale version")
    unchanged = events.get(calendarId=DR, eventId=first["id"])
    unchanged.headers["If-None-Match"] = second["etag"]
    try:
        unchanged.execute()
        sys.exit("proof.py: FAILED: 304 was expected")
    except HttpError as error:
        check(error.status_code == 304, f"unchanged: {error.status_code}")

    for number in range(2, 6):
        events.insert(calendarId=DR, body=event(f"{prefix}{number}", 9 + number)).execute()
    day = {"timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-02T00:00:00Z"}
    found, _ = pages(events, events.list(calendarId=DR, singleEvents=True, orderBy="startTime", **day))
    mine = [item["id"] for item in found if item["id"].startswith(prefix)]
    check(mine == [f"{prefix}{number}" for number in range(1, 6)], f"pages in order: {mine}")
    found, _ = pages(events, events.list(calendarId=DR, privateExtendedProperty=f"fd_booking={prefix}3"))
    check([item["id"] for item in found] == [prefix + "3"], "a property finds its event")
    _, last = pages(events, events.list(calendarId=DR))
    events.delete(calendarId=DR, eventId=prefix + "2").execute()
    control(f"staff/change?calendar={DR}&event={prefix}3", json.dumps({"summary": "Moved by hand"}))
    found, last = pages(events, events.list(calendarId=DR, syncToken=last["nextSyncToken"]))
    check({(item["id"], item["status"]) for item in found} == {(prefix + "2", "cancelled"), (prefix + "3", "confirmed")}, "a sync")
    control(f"expire-sync-tokens?calendar={DR}")
    sync = events.list(calendarId=DR, syncToken=last["nextSyncToken"])
    refused(sync.execute, 410, "fullSyncRequired", "an old sync token")
    refused(events.delete(calendarId=DR, eventId=prefix + "2").execute, 410, "deleted", "a second delete")
    check(events.get(calendarId=DR, eventId=prefix + "2").execute()["status"] == "cancelled", "a deleted event is readable")
    whole = events.get(calendarId=DR, eventId=prefix + "3").execute() | {"summary": "Whole"}
    check(events.update(calendarId=DR, eventId=prefix + "3", body=whole).execute()["summary"] == "Whole", "an update")

    busy = day | {"items": [{"id": DR}, {"id": "nobody@clinic.example"}]}
    answer = calendar.freebusy().query(body=busy).execute()["calendars"]
    check({"start": "2026-12-01T09:00:00Z", "end": "2026-12-01T09:30:00Z"} in answer[DR]["busy"], "busy")
    check(answer["nobody@clinic.example"]["errors"][0]["reason"] == "notFound", "an error inside an answer of 200")
    long = busy | {"timeMax": "2027-12-01T00:00:00Z"}
    refused(lambda: calendar.freebusy().query(body=long).execute(), 400, "timeRangeTooLong", "a long range")
    for number in (1, 3, 4, 5):
        events.delete(calendarId=DR, eventId=f"{prefix}{number}").execute()


def faults(credentials):
    events = service("calendar", "v3", credentials).events()
    ask = lambda: events.list(calendarId=DR)
    for fault, status, reason in [
        ("403-rate", 403, "rateLimitExceeded"),
        ("403-quota", 403, "quotaExceeded"),
        ("409-conflict", 409, "conflict"),
        ("410", 410, "fullSyncRequired"),
        ("429:30", 429, "rateLimitExceeded"),
        ("500", 500, "backendError"),
        ("503", 503, "backendError"),
    ]:
        control("faults", fault)
        refused(ask().execute, status, reason, fault)
    control("faults", "429@calendar 403-user-rate@calendar 503@calendar")
    check(ask().execute(num_retries=3)["kind"] == "calendar#events", "the library knows what to try again")
    control("faults", "401@calendar")
    check(ask().execute()["kind"] == "calendar#events", "the library fetches a new token after 401")
    # A new client each time: the old one's connection is no longer good.
    fresh = lambda id: service("calendar", "v3", credentials).events().insert(calendarId=DR, body=event(id, 20))
    control("faults", "cut-after@calendar.events.insert")
    # The library's transport asks once more, and meets its own event.
    refused(fresh("bkfcut").execute, 409, "duplicate", "a lost answer")
    control("faults", "half@calendar.events.insert")
    try:
        fresh("bkfhalf").execute()
        sys.exit("proof.py: FAILED: half an answer was taken for a whole one")
    except http.client.IncompleteRead as error:
        check(error.partial, "half an answer")
    control("faults", "malformed@calendar.events.insert")
    check(isinstance(fresh("bkfmalformed").execute(), str), "what is no JSON is handed on as it is")
    control("faults/clear")
    kept = [item["id"] for item in control(f"events?calendar={DR}", method="GET") if item["id"].startswith("bkf")]
    check(len(kept) == 3, f"they were inserted all the same: {kept}")
    control("expire-tokens")
    check(ask().execute()["kind"] == "calendar#events", "an expired token is replaced")


def mail():
    raw = {"raw": base64.urlsafe_b64encode(LETTER).decode()}
    sender = service("gmail", "v1", robot([SEND], USER))
    sent = sender.users().messages().send(userId="me", body=raw).execute()
    check(sent["labelIds"] == ["SENT"], "sent in the name of a delegated user")
    refused(sender.users().getProfile(userId="me").execute, 403, "insufficientPermissions", "who may only send")
    own = service("gmail", "v1", robot([SEND]))
    refused(own.users().messages().send(userId="me", body=raw).execute, 400, "failedPrecondition", "a robot has no mailbox")

    gmail = service("gmail", "v1", log_in(["https://mail.google.com/"]), own_document=True).users()
    upload = MediaInMemoryUpload(LETTER, mimetype="message/rfc822", resumable=False)
    sent = gmail.messages().send(userId="me", media_body=upload).execute()
    whole = gmail.messages().get(userId="me", id=sent["id"], format="raw").execute()
    letter = email.message_from_bytes(base64.urlsafe_b64decode(whole["raw"]))
    check(letter["Subject"] == "Appointment K7Q-4MR confirmed", "an upload")
    check(letter["Message-ID"].endswith("@mail.gmail.com>"), "Message-ID is Gmail's")
    empty = {"raw": base64.urlsafe_b64encode(b"Subject: x\r\n\r\n").decode()}
    refused(gmail.messages().send(userId="me", body=empty).execute, 400, "invalidArgument", "nobody to send to")
    draft = gmail.drafts().create(userId="me", body={"message": raw}).execute()
    check(gmail.drafts().list(userId="me").execute()["drafts"][0]["id"] == draft["id"], "a draft")
    gmail.drafts().send(userId="me", body={"id": draft["id"]}).execute()
    refused(gmail.drafts().get(userId="me", id=draft["id"]).execute, 404, "notFound", "a draft that was sent")
    found = gmail.messages().list(userId="me", q='in:sent "K7Q-4MR" newer_than:1d').execute()
    check(found["resultSizeEstimate"] == 3, f"a search: {found}")
    check(gmail.getProfile(userId="me").execute()["emailAddress"] == USER, "a profile")
    check(len(control("mail", method="GET")) == 3, "three letters went out")


def ends(person):
    control("revoke")
    no_token(lambda: person.refresh(transport()), "invalid_grant", "revoked")
    control("delete-key")
    no_token(lambda: robot([EVENTS]).refresh(transport()), "Invalid JWT Signature.", "a deleted key")


def main():
    account = service_accounts()
    person = people()
    consents()
    calendars(account, False, "bkaa")
    calendars(person, True, "bkbb")
    faults(account)
    mail()
    ends(person)
    print(f"Google's own clients: {passed} checks passed")


main()
