//! Lists: of calendars, and of events with their filters, pages and syncs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Visit,
    event::{self, Sight},
    store::{ALWAYS, Calendar, Calendars, Event, Fields},
    time::{self, Span, with_millis},
};
use crate::{error::ApiError, settings::Role, sim::Reply};

/// Not allowed beside a sync token, by the discovery document.
const NOT_WITH_SYNC: [&str; 8] = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];
/// Entries of a page that nobody asked to be shorter, and of the longest.
const EVENTS: (usize, usize) = (250, 2_500);
const CALENDARS: (usize, usize) = (100, 250);

/// Where an entry stands in its list: by its change or its start, then by its id.
type Place = (i64, String);

/// A place to go on from, within a list or after one.
struct Mark {
    /// The calendar's count of changes when the list began.
    change: u64,
    /// The last entry told; none: a sync token.
    after: Option<Place>,
    /// The parameters that have to stay the same.
    shape: String,
}

impl Mark {
    fn write(&self) -> String {
        let after = self.after.as_ref().map_or_else(String::new, |(key, id)| format!("{key},{id}"));
        URL_SAFE_NO_PAD.encode(format!("{}|{after}|{}", self.change, self.shape))
    }

    fn read(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = plain.splitn(3, '|');
        let (change, after, shape) = (parts.next()?, parts.next()?, parts.next()?);
        let after = match after.split_once(',') {
            Some((key, id)) => Some((key.parse().ok()?, id.to_owned())),
            None if after.is_empty() => None,
            None => return None,
        };
        Some(Self { change: change.parse().ok()?, after, shape: shape.to_owned() })
    }
}

fn page_size(visit: &Visit<'_>, (usual, most): (usize, usize)) -> usize {
    let asked = visit.request.query("maxResults").and_then(|text| text.parse().ok()).unwrap_or(usual);
    asked.min(most).min(visit.sim.settings.largest_page)
}

fn flag(visit: &Visit<'_>, name: &str) -> bool {
    visit.request.query(name) == Some("true")
}

/// `events.list`.
pub(super) fn events(visit: &Visit<'_>, calendars: &mut Calendars) -> Result<Reply, ApiError> {
    let (calendar, sight) = visit.open(calendars)?;
    let zone = visit.zone(calendar)?;
    let shape = shape(visit);
    let since = sync_start(visit, calendar, &shape)?;
    let page = page_start(visit, &shape)?;
    let (change, after) = page.map_or((calendar.changes, None), |page| (page.change, page.after));
    let found = in_order(visit, calendar, selected(visit, calendar, since)?)?;
    // By place, not by number: what moves between two pages must not push another one out of both.
    let mut rest = found.iter().filter(|(place, _)| after.as_ref().is_none_or(|after| place > after)).peekable();
    let begins = after.is_none() && visit.sim.settings.empty_first_page;
    let size = if begins { 0 } else { page_size(visit, EVENTS) };
    let here: Vec<&(Place, Event)> = rest.by_ref().take(size).collect();
    let more = rest.peek().is_some();
    let mut answer = head(visit, calendar, sight);
    answer["timeZone"] = json!(zone.iana_name().unwrap_or("UTC"));
    answer["items"] = here.iter().map(|(_, event)| item(visit, calendar, event, &zone, sight)).collect();
    if more {
        let after = here.last().map_or_else(|| (i64::MIN, String::new()), |(place, _)| place.clone());
        answer["nextPageToken"] = json!(Mark { change, after: Some(after), shape }.write());
    } else if visit.request.query("orderBy").is_none() {
        // From where the first page stood: what changed meanwhile comes again rather than never.
        answer["nextSyncToken"] = json!(Mark { change, after: None, shape }.write());
    }
    Ok(Reply::body(answer))
}

fn item(visit: &Visit<'_>, calendar: &Calendar, event: &Event, zone: &TimeZone, sight: Sight) -> Value {
    if event.is_cancelled() {
        return event::shown_deleted(event);
    }
    event::shown(event, calendar, zone, sight, &visit.token.person.email)
}

fn head(visit: &Visit<'_>, calendar: &Calendar, sight: Sight) -> Value {
    let updated = calendar.events.values().map(|event| event.updated).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let role = if sight == Sight::Busy { Role::FreeBusyReader } else { calendar.role(&visit.token.person.email) };
    json!({
        "kind": "calendar#events",
        "etag": format!("\"p{}\"", calendar.changes),
        "summary": calendar.summary,
        "updated": with_millis(updated),
        "accessRole": role.name(),
        "defaultReminders": [],
    })
}

/// The parameters that have to stay the same from one page or sync to the next.
fn shape(visit: &Visit<'_>) -> String {
    let varies = |name: &str| {
        matches!(
            name,
            "pageToken" | "syncToken" | "maxResults" | "prettyPrint" | "alt" | "fields" | "quotaUser" | "key"
        ) || NOT_WITH_SYNC.contains(&name)
    };
    let mut kept: Vec<String> = visit
        .request
        .query
        .iter()
        // A sync tells of deleted events whether or not the first list did.
        .filter(|(name, _)| !varies(name) && name != "showDeleted")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    kept.sort();
    kept.join("&")
}

fn sync_start(visit: &Visit<'_>, calendar: &Calendar, shape: &str) -> Result<Option<u64>, ApiError> {
    let Some(token) = visit.request.query("syncToken") else { return Ok(None) };
    let refused = |name: &str| {
        let text = format!("Sync token cannot be used with {name}.");
        ApiError::invalid(text).parameter("syncToken")
    };
    if let Some(name) = NOT_WITH_SYNC.iter().find(|name| visit.request.query(name).is_some()) {
        return Err(refused(name));
    }
    if visit.request.query("showDeleted") == Some("false") {
        return Err(refused("showDeleted=false"));
    }
    let mark = Mark::read(token).filter(|mark| mark.after.is_none() && mark.change <= calendar.changes);
    let mark = mark.ok_or_else(|| ApiError::invalid("Invalid sync token value.").parameter("syncToken"))?;
    if mark.change < calendar.sync_from {
        let text = "Sync token is no longer valid, a full sync is required.";
        return Err(ApiError::new(410, "fullSyncRequired", text).parameter("syncToken"));
    }
    if mark.shape != shape {
        return Err(refused("other parameters than those of the first list"));
    }
    Ok(Some(mark.change))
}

fn page_start(visit: &Visit<'_>, shape: &str) -> Result<Option<Mark>, ApiError> {
    let Some(token) = visit.request.query("pageToken") else { return Ok(None) };
    let mark = Mark::read(token).filter(|mark| mark.after.is_some() && mark.shape == *shape);
    let bad = || ApiError::invalid("Invalid page token value.").parameter("pageToken");
    mark.map(Some).ok_or_else(bad)
}

fn window(visit: &Visit<'_>) -> Result<Span, ApiError> {
    let bound = |name: &str| time::parameter(name, visit.request.query(name));
    let (least, most) = (bound("timeMin")?, bound("timeMax")?);
    if least.zip(most).is_some_and(|(least, most)| least >= most) {
        let text = "The specified time range is empty.";
        return Err(ApiError::new(400, "timeRangeEmpty", text).parameter("timeMax"));
    }
    Ok(Span { start: least.unwrap_or(ALWAYS.start), end: most.unwrap_or(ALWAYS.end) })
}

fn selected(visit: &Visit<'_>, calendar: &Calendar, since: Option<u64>) -> Result<Vec<Event>, ApiError> {
    let window = window(visit)?;
    let updated = time::parameter("updatedMin", visit.request.query("updatedMin"))?;
    let all = if flag(visit, "singleEvents") {
        calendar.expanded(window)
    } else {
        calendar.events.values().filter(|event| calendar.is_in(event, window)).cloned().collect()
    };
    let with_deleted = flag(visit, "showDeleted") || since.is_some() || updated.is_some();
    let wanted = |event: &Event| {
        // Cancelled occurrences are told wherever their series is.
        let of_shown_series = !flag(visit, "singleEvents") && event.fields.contains_key("recurringEventId");
        (with_deleted || of_shown_series || !event.is_cancelled())
            && since.is_none_or(|since| event.change > since)
            && updated.is_none_or(|least| event.updated >= least)
            && fits(visit, event)
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// The filters by content.
fn fits(visit: &Visit<'_>, event: &Event) -> bool {
    let all = |name: &str| -> Vec<&str> {
        let query = visit.request.query.iter();
        query.filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    };
    let has = |kind: &str, wanted: &str| {
        wanted.split_once('=').is_some_and(|(name, value)| event.fields["extendedProperties"][kind][name] == value)
    };
    let in_text = |word: &str| {
        let word = word.to_lowercase();
        ["summary", "description", "location"].iter().any(|name| event.text(name).to_lowercase().contains(&word))
    };
    let (types, uid) = (all("eventTypes"), visit.request.query("iCalUID"));
    let properties = event.fields.contains_key("extendedProperties");
    let (private, shared) = (all("privateExtendedProperty"), all("sharedExtendedProperty"));
    (types.is_empty() || types.contains(&event.text("eventType")))
        && uid.is_none_or(|uid| event.text("iCalUID") == uid)
        && private.iter().all(|wanted| properties && has("private", wanted))
        && shared.iter().all(|wanted| properties && has("shared", wanted))
        && visit.request.query("q").is_none_or(|words| words.split_whitespace().all(in_text))
}

fn in_order(visit: &Visit<'_>, calendar: &Calendar, found: Vec<Event>) -> Result<Vec<(Place, Event)>, ApiError> {
    let by_start = visit.request.query("orderBy") == Some("startTime");
    if by_start && !flag(visit, "singleEvents") {
        let text = "The requested ordering is not available for the particular query.";
        return Err(ApiError::new(400, "orderByNotSupported", text).parameter("orderBy"));
    }
    let key = |event: &Event| {
        if !by_start {
            return event.change as i64;
        }
        calendar.span(event).map_or(i64::MIN, |span| span.start.as_second())
    };
    let mut placed: Vec<(Place, Event)> =
        found.into_iter().map(|event| ((key(&event), event.id().to_owned()), event)).collect();
    placed.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(placed)
}

/// `calendarList.list`: a person's own and shared calendars; of a service account those alone that it put there.
pub(super) fn calendars(visit: &Visit<'_>, calendars: &Calendars) -> Result<Reply, ApiError> {
    if visit.request.query("syncToken").is_some() {
        return Err(ApiError::not_simulated("syncToken of calendarList.list"));
    }
    let email = &visit.token.person.email;
    let least = visit.request.query("minAccessRole").and_then(Role::of_name).unwrap_or(Role::FreeBusyReader);
    let listed = |calendar: &&Calendar| {
        let own = calendars.listed.iter().any(|(who, id)| who == email && *id == calendar.id);
        calendar.role(email) >= least && (own || !visit.token.person.robot)
    };
    let found: Vec<&Calendar> = calendars.all.iter().filter(listed).collect();
    let page = page_start(visit, "calendars")?;
    let told = page.and_then(|mark| usize::try_from(mark.after?.0).ok()).unwrap_or(0);
    let size = page_size(visit, CALENDARS);
    let items: Vec<Value> = found.iter().skip(told).take(size).map(|calendar| entry(visit, calendar)).collect();
    let mut answer = json!({ "kind": "calendar#calendarList", "etag": "\"p1\"", "items": items });
    if told + items.len() < found.len() {
        let after = Some(((told + items.len()) as i64, String::new()));
        let mark = Mark { change: 0, after, shape: "calendars".to_owned() };
        answer["nextPageToken"] = json!(mark.write());
    }
    Ok(Reply::body(answer))
}

/// `calendarList.insert`.
pub(super) fn add_calendar(visit: &Visit<'_>, calendars: &mut Calendars, body: &Fields) -> Result<Reply, ApiError> {
    let email = visit.token.person.email.clone();
    let id = body.get("id").and_then(Value::as_str).ok_or_else(|| ApiError::required("id"))?.to_owned();
    let seen = calendars.get(&id).filter(|calendar| calendar.role(&email) > Role::None);
    let answer = entry(visit, seen.ok_or_else(ApiError::not_found)?);
    if !calendars.listed.contains(&(email.clone(), id.clone())) {
        calendars.listed.push((email, id));
    }
    Ok(Reply::body(answer))
}

fn entry(visit: &Visit<'_>, calendar: &Calendar) -> Value {
    let email = &visit.token.person.email;
    let mut entry = json!({
        "kind": "calendar#calendarListEntry",
        "etag": format!("\"{}\"", calendar.id.len()),
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.zone_name(),
        "accessRole": calendar.role(email).name(),
        "defaultReminders": [],
    });
    if calendar.id == *email {
        entry["primary"] = json!(true);
    }
    entry
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_read_as_written(change in any::<u64>(), key in any::<i64>(), id in "[a-v0-9_]{0,20}", shape in ".{0,30}") {
            for after in [None, Some((key, id))] {
                let read = Mark::read(&Mark { change, after: after.clone(), shape: shape.clone() }.write()).unwrap();
                prop_assert_eq!((read.change, read.after, &read.shape), (change, after, &shape));
            }
        }

        #[test]
        fn no_token_makes_the_reader_panic(text in ".{0,60}") {
            let _ = Mark::read(&text);
            let _ = Mark::read(&URL_SAFE_NO_PAD.encode(&text));
        }
    }
}
