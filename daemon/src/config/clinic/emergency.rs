//! What is said and done when a life may be in danger.

use frontdesk_core::clinic::{Clinic, Emergency, EmergencyContact};
use frontdesk_core::letter::words::base;
use frontdesk_core::redflag::{self, Phrases};
use frontdesk_core::twilio::number::PhoneNumber;

use super::super::complaint::{Complaints, Place};
use super::super::section::Section;
use super::super::value;
use super::{MAX_SAID_CHARS, hours};

/// What somebody says in a breath.
const MAX_PHRASE_CHARS: usize = 120;
/// A phrase of one word that is shorter is part of too many harmless sentences.
const PLAIN_WORD: usize = 4;

/// `[emergency]`, for a clinic that speaks these languages, the one in which callers are greeted first.
pub(super) fn read(file: &mut Section<'_>, languages: &[String]) -> Option<Emergency> {
    file.require("emergency", "write a section [emergency] with the number that is dialled where you are");
    let mut section = file.nested("emergency")?;
    section.require("number", "write the number that is dialled when a life is in danger, for example \"112\"");
    let speaks_english = languages.first().is_some_and(|first| base(first) == "en");
    if !speaks_english {
        section.require("say", "write the sentence that is said then, in the clinic's language");
    }
    let number = section.optional("number", emergency_number);
    let place = section.place("say");
    let say = section.optional("say", |text| value::line(text, MAX_SAID_CHARS));
    if let (Some(number), Some(say)) = (&number, &say)
        && !digits(say).contains(&digits(number))
    {
        let remedy = "write it into the sentence, or see which of the two is meant";
        section.out.advise(place, "[emergency] say", format!("does not name {number}"), remedy);
    }
    let phrases = section.nested("phrases").map(|own| phrases(own, languages)).unwrap_or_default();
    let contacts = contacts(&mut section);
    section.finish();
    let number = number?;
    let say = say.unwrap_or_else(|| {
        format!(
            "This sounds like an emergency. Please hang up and dial {number} now, or go to the nearest emergency \
             department."
        )
    });
    Some(Emergency { number, say, phrases, contacts })
}

/// Complains of whoever is called in danger under the number at which the clinic itself is called.
pub(super) fn calls_others(clinic: &Clinic, own: &PhoneNumber, out: &mut Complaints) {
    if clinic.emergency.contacts.iter().any(|contact| contact.number == *own) {
        let remedy = "name a line that does not lead back to this box";
        out.error(None, "[[emergency.contacts]] number", "is [phone] number, the clinic's own", remedy);
    }
}

/// `[emergency.phrases]`: lists of texts by language.
fn phrases(mut section: Section<'_>, languages: &[String]) -> Vec<(String, Phrases)> {
    let spoken = |tag: &str| {
        let tag = value::language(tag)?;
        let known = base(&tag) == "en" || languages.iter().any(|known| base(known) == base(&tag));
        let unknown = || {
            format!(
                "{tag} is not spoken here: write it into [languages] also, or choose one of {}",
                languages.join(", ")
            )
        };
        if known { Ok(tag) } else { Err(unknown()) }
    };
    let mut all = Vec::new();
    for (place, tag, lines) in section.lists(spoken, |line| value::line(line, MAX_PHRASE_CHARS)) {
        let mut list = Phrases::default();
        for (place, line) in lines {
            add(&mut list, &line, (place, section.name(&tag)), section.out);
        }
        if !list.is_empty() && !redflag::has_list(&tag) {
            let found = "has no list that comes with Frontdesk";
            let remedy = "know that a denial (\"no …\") is not understood in it: write phrases that nobody denies";
            let name = section.name(&tag);
            section.out.advise(Some(place), &name, found, remedy);
        }
        all.push((tag, list));
    }
    section.finish();
    all
}

fn add(list: &mut Phrases, line: &str, (place, name): (Place, String), out: &mut Complaints) {
    if let Err(what) = list.add_danger(line) {
        out.error(Some(place), name, format!("= {line:?}"), format!("{what}; the form is in docs/clinic.md"));
    } else if !line.contains([' ', '*', '(']) && line.chars().count() < PLAIN_WORD {
        let remedy = "see that no harmless sentence has that word in it, or write more words";
        out.advise(Some(place), &name, format!("= {line:?} is one short word"), remedy);
    }
}

/// `[[emergency.contacts]]`.
fn contacts(section: &mut Section<'_>) -> Vec<EmergencyContact> {
    let mut all = Vec::new();
    for item in section.items("contacts") {
        let Some(mut item) = section.item("contacts", item) else { continue };
        item.require("number", "write the number of whoever is called then, for example \"+15550100911\"");
        let number = item.private("number", |text| {
            // Before the form is told: it is no slip, but something that the box must never do.
            let is_short = text.bytes().filter(u8::is_ascii_digit).count() < 6;
            let never = "this is dialled by the box, which never dials an ambulance: write somebody of the clinic's";
            PhoneNumber::parse(text).map_err(|error| if is_short { never.to_owned() } else { error.to_string() })
        });
        let hours = hours::of_somebody(&mut item);
        item.finish();
        all.extend(number.map(|number| EmergencyContact { number, hours }));
    }
    all
}

/// `1 1 2` and `112` are one number.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn emergency_number(text: &str) -> Result<String, String> {
    let text = value::line(text, 40)?;
    if text.bytes().any(|b| b.is_ascii_digit()) {
        Ok(text)
    } else {
        Err("write digits, for example \"112\"".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, advice, complaints, read, said};
    use super::*;

    fn with(more: &str) -> String {
        format!("{SMALL}{more}\n")
    }

    #[test]
    fn a_clinic_adds_its_own_words_for_danger_and_those_who_are_called() {
        let text = with(
            r#"[languages]
            also = ["de-DE"]
            [emergency.phrases]
            en = ["tooth ... (knocked out|broken off)"]
            "de-AT" = ["zahn ... ausgeschlagen", "kiefer gebrochen"]
            [[emergency.contacts]]
            number = "+15550100911"
            hours = { friday = ["09:00-17:00"] }
            [[emergency.contacts]]
            number = "+15550100912""#,
        );
        let (clinic, out) = read(&text);
        assert_eq!((&out.errors, &out.advice), (&vec![], &vec![]));
        let emergency = clinic.unwrap().0.emergency;
        let languages: Vec<&str> = emergency.phrases.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(languages, ["de-AT", "en"]);
        assert!(emergency.phrases.iter().all(|(_, phrases)| !phrases.is_empty()));
        let numbers: Vec<&str> = emergency.contacts.iter().map(|contact| contact.number.as_e164()).collect();
        assert_eq!(numbers, ["+15550100911", "+15550100912"]);
        assert!(emergency.contacts[0].hours.is_some() && emergency.contacts[1].hours.is_none());
    }

    #[test]
    fn a_phrase_that_cannot_be_read_is_told_with_its_line_and_what_would_do() {
        let found = complaints(&with(
            r#"[emergency.phrases]
en = [
  "(tooth ... out",
  "",
  "chest ...",
  7,
]
fr = ["au secours"]
english = ["help"]
"#,
        ));
        let line = |n: usize| format!("clinic.toml:{}: [emergency.phrases] ", SMALL.lines().count() + n);
        said(&found, &format!("{}en = \"(tooth ... out\": a bracket is not closed", line(3)), "docs/clinic.md");
        said(&found, &format!("{}en = \"\": ", line(4)), "");
        said(&found, &format!("{}en = \"chest ...\": ... stands between words", line(5)), "");
        said(&found, &format!("{}en = 7: ", line(6)), "expected a text in quotes");
        said(
            &found,
            &format!("{}fr will not do as a key: fr is not spoken here: write it into [languages] also", line(8)),
            "or choose one of en-US",
        );
        said(&found, &format!("{}english will not do as a key: ", line(9)), "");
        assert_eq!(found.len(), 6, "{found:#?}");
        said(&complaints(&with("[emergency.phrases]\nen = \"help\"")), "clinic.toml:", "[\"…\", \"…\"]");
    }

    #[test]
    fn what_alarms_too_easily_or_cannot_be_denied_is_advised_of() {
        let text = with("[languages]\nalso = [\"tr\"]\n[emergency.phrases]\nen = [\"ow\"]\ntr = [\"dişim kırıldı\"]");
        let advice = advice(&text);
        said(&advice, "clinic.toml:20: [emergency.phrases] en = \"ow\" is one short word", "or write more words");
        said(&advice, "clinic.toml:21: [emergency.phrases] tr has no list that comes with Frontdesk", "");
        assert_eq!(advice.len(), 2, "{advice:#?}");
    }

    #[test]
    fn nobody_is_called_who_must_not_be() {
        let contact = |number: &str| with(&format!("[[emergency.contacts]]\nnumber = {number:?}"));
        let found = complaints(&contact("112"));
        said(&found, "clinic.toml:", "which never dials an ambulance: write somebody of the clinic's");
        assert!(found.iter().all(|complaint| !complaint.contains("\"112\"")), "numbers are not repeated: {found:?}");
        said(&complaints(&contact("030 901820")), "clinic.toml:", "it must begin with + and the country code");
        said(&complaints(&with("[[emergency.contacts]]")), "clinic.toml:", "for example \"+15550100911\"");
        let empty = with("[[emergency.contacts]]\nnumber = \"+15550100911\"\nhours = {}");
        said(&complaints(&empty), "clinic.toml:", "or leave hours out: then they answer at any time");

        let (clinic, mut out) = read(&contact("+15550100100"));
        calls_others(&clinic.unwrap().0, &PhoneNumber::parse("+15550100100").unwrap(), &mut out);
        said(
            &out.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "[[emergency.contacts]] number is [phone] number, the clinic's own",
            "that does not lead back to this box",
        );
    }
}
