//! Google's discovery documents: which methods there are, what they take, what they answer, and which scopes open them.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::schema::Schemas;

const DOCUMENTS: [&str; 3] = [
    include_str!("../data/calendar.v3.json"),
    include_str!("../data/gmail.v1.json"),
    include_str!("../data/oauth2.v2.json"),
];
/// Scopes that are granted and open none of the methods here.
const OTHER_SCOPES: [&str; 4] = ["openid", "email", "profile", "https://www.googleapis.com/auth/cloud-platform"];

/// All interfaces.
pub(crate) struct Documents(Vec<Api>);

/// One interface.
pub(crate) struct Api {
    document: Value,
    methods: Vec<Value>,
}

/// A method that a request has found, with what its path names.
pub(crate) struct Call<'a> {
    pub(crate) api: &'a Api,
    method: &'a Value,
    path: BTreeMap<String, String>,
    /// The body is the media itself.
    pub(crate) upload: bool,
}

impl Documents {
    pub(crate) fn load() -> Self {
        let parse = |text: &&str| {
            let document: Value = serde_json::from_str(text).expect("the kept documents are JSON: a test reads them");
            let mut methods = Vec::new();
            collect(&document, &mut methods);
            Api { document, methods }
        };
        Self(DOCUMENTS.iter().map(parse).collect())
    }

    /// The method at this path.
    pub(crate) fn find(&self, verb: &str, path: &str) -> Option<Call<'_>> {
        let calls = self.0.iter().flat_map(|api| api.methods.iter().map(move |method| (api, method)));
        calls.filter(|(_, method)| method["httpMethod"] == verb).find_map(|(api, method)| api.matches(method, path))
    }

    /// The document of an interface as it is served, with `root` instead of Google's address.
    pub(crate) fn served(&self, name: &str, version: &str, root: &str) -> Option<Value> {
        let api = self.0.iter().find(|api| api.document["name"] == name && api.document["version"] == version)?;
        let mut document = api.document.clone();
        let service = document["servicePath"].as_str().unwrap_or_default().to_owned();
        document["rootUrl"] = json!(format!("{root}/"));
        document["baseUrl"] = json!(format!("{root}/{service}"));
        if let Some(document) = document.as_object_mut() {
            document.remove("mtlsRootUrl");
        }
        Some(document)
    }

    /// Whether there is such a scope.
    pub(crate) fn knows_scope(&self, scope: &str) -> bool {
        let in_document = |api: &Api| api.document["auth"]["oauth2"]["scopes"].get(scope).is_some();
        OTHER_SCOPES.contains(&scope) || self.0.iter().any(in_document)
    }
}

fn collect(tree: &Value, methods: &mut Vec<Value>) {
    methods.extend(tree["methods"].as_object().into_iter().flat_map(|found| found.values().cloned()));
    for resource in tree["resources"].as_object().into_iter().flat_map(|found| found.values()) {
        collect(resource, methods);
    }
}

impl Api {
    pub(crate) fn name(&self) -> &str {
        self.document["name"].as_str().unwrap_or_default()
    }

    /// What Google calls the service in errors.
    pub(crate) fn service(&self) -> &'static str {
        if self.name() == "gmail" { "gmail.googleapis.com" } else { "calendar-json.googleapis.com" }
    }

    pub(crate) fn schemas(&self) -> Schemas<'_> {
        Schemas::new(&self.document["schemas"])
    }

    fn matches<'a>(&'a self, method: &'a Value, path: &str) -> Option<Call<'a>> {
        let service = self.document["servicePath"].as_str().unwrap_or_default();
        let plain = format!("/{service}{}", method["path"].as_str().unwrap_or_default());
        if let Some(found) = captures(&plain, path) {
            return Some(Call { api: self, method, path: found, upload: false });
        }
        let upload = method["mediaUpload"]["protocols"]["simple"]["path"].as_str()?;
        Some(Call { api: self, method, path: captures(upload, path)?, upload: true })
    }
}

/// What the names in braces stand for, if `path` fits.
fn captures(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut found = BTreeMap::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(_) if given.is_empty() => return None,
                Some(name) => {
                    found.insert(name.to_owned(), percent_decode_str(given).decode_utf8().ok()?.into_owned());
                }
                None if wanted == given => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

impl<'a> Call<'a> {
    /// `calendar.events.insert`.
    pub(crate) fn id(&self) -> &'a str {
        self.method["id"].as_str().unwrap_or_default()
    }

    pub(crate) fn in_path(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The scopes of which one is enough; none: the method is open to all.
    pub(crate) fn scopes(&self) -> Vec<&'a str> {
        self.method["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The schema of the body, if the method takes one.
    pub(crate) fn request(&self) -> Option<&'a str> {
        self.method["request"]["$ref"].as_str()
    }

    pub(crate) fn response(&self) -> Option<&'a str> {
        self.method["response"]["$ref"].as_str()
    }

    /// The largest body of an upload in bytes.
    pub(crate) fn most_uploaded(&self) -> usize {
        let text = self.method["mediaUpload"]["maxSize"].as_str();
        text.and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
    }

    /// Whether a query parameter is this method's own, not one of all methods.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.own(name).is_some()
    }

    fn own(&self, name: &str) -> Option<&'a Value> {
        self.method["parameters"].get(name).filter(|parameter| parameter["location"] == "query")
    }

    /// What the document says of a query parameter, the method's own or one of all methods.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a Value> {
        self.own(name).or_else(|| self.api.document["parameters"].get(name))
    }

    /// The query parameters without which the method is not called.
    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> {
        let parameters = self.method["parameters"].as_object();
        let wanted =
            |(_, parameter): &(&String, &Value)| parameter["required"] == true && parameter["location"] == "query";
        parameters.into_iter().flatten().filter(wanted).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_method_and_what_it_names() {
        let documents = Documents::load();
        let call = documents.find("PATCH", "/calendar/v3/calendars/dr%40clinic.example/events/bk001").unwrap();
        assert_eq!(call.id(), "calendar.events.patch");
        assert_eq!((call.in_path("calendarId"), call.in_path("eventId")), ("dr@clinic.example", "bk001"));
        let upload = documents.find("POST", "/upload/gmail/v1/users/me/messages/send").unwrap();
        assert!(upload.upload && upload.id() == "gmail.users.messages.send");
        assert_eq!(upload.most_uploaded(), 36_700_160);
        assert!(documents.find("POST", "/gmail/v1/users/me/settings").is_none());
        assert!(documents.find("GET", "/calendar/v3/calendars//events").is_none());
    }

    #[test]
    fn a_served_document_leads_back_to_the_simulator() {
        let documents = Documents::load();
        let calendar = documents.served("calendar", "v3", "http://127.0.0.1:1").unwrap();
        assert_eq!(calendar["rootUrl"], "http://127.0.0.1:1/");
        assert_eq!(calendar["baseUrl"], "http://127.0.0.1:1/calendar/v3/");
        assert!(documents.served("calendar", "v4", "http://127.0.0.1:1").is_none());
    }

    #[test]
    fn every_schema_that_is_named_is_kept() {
        fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            found.extend(value["$ref"].as_str());
            for inner in value.as_object().into_iter().flat_map(|map| map.values()) {
                names(inner, found);
            }
        }
        for api in &Documents::load().0 {
            let mut found = Vec::new();
            names(&api.document, &mut found);
            assert!(!found.is_empty());
            for name in found {
                assert!(api.document["schemas"].get(name).is_some(), "{}: {name}", api.name());
            }
        }
    }
}
