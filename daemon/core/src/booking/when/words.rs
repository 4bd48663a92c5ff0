//! The words for numbers, weekdays, months, and what stands before them.

use jiff::civil::Weekday;

use crate::booking::spoken::{Language, say_weekday};

/// What a word before a weekday, a week or a month makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifier {
    This,
    Next,
    Coming,
    AfterNext,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Week,
    Fortnight,
    Weekend,
    Month,
}

/// What a word makes of the days or the times that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    At,
    Around,
    From,
    After,
    Before,
    Until,
    Between,
    And,
}

const DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
/// The weekday of a word in lower case: also `tuesdays`, `dienstags` and `dienstagabend`.
pub(super) fn weekday(word: &str, language: Language) -> Option<Weekday> {
    match language {
        Language::English => {
            let word = word.strip_suffix("'s").or_else(|| word.strip_suffix('s')).unwrap_or(word);
            DAYS.into_iter().find(|day| say_weekday(*day, language).eq_ignore_ascii_case(word))
        }
        Language::German => {
            let word = word.strip_prefix("sonnabend").map_or_else(|| word.to_owned(), |rest| format!("samstag{rest}"));
            DAYS.into_iter().find(|day| {
                let day = say_weekday(*day, language).to_ascii_lowercase();
                word.strip_prefix(&day).is_some_and(|rest| rest.is_empty() || rest == "s" || is_part_of_day(rest))
            })
        }
    }
}

/// The language of a text about when: `expected`, unless more of its words about days and times belong to the other alone.
pub(super) fn spoken(text: &str, expected: Language) -> Language {
    let other = match expected {
        Language::English => Language::German,
        Language::German => Language::English,
    };
    let text = text.to_lowercase().replace(['’', '‘'], "'");
    let count = |one, another| {
        let words = text.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty());
        words.filter(|word| tells_when(word, one) && !tells_when(word, another)).count()
    };
    if count(other, expected) > count(expected, other) { other } else { expected }
}

/// Whether a word is about days or times and about nothing else: "am", "um" and "die" are words of both languages.
fn tells_when(word: &str, language: Language) -> bool {
    let alone = match language {
        Language::English => matches!(
            word,
            "today"
                | "tomorrow"
                | "tonight"
                | "yesterday"
                | "morning"
                | "afternoon"
                | "evening"
                | "noon"
                | "midday"
                | "lunchtime"
                | "o'clock"
                | "oclock"
                | "pm"
                | "half"
                | "quarter"
        ),
        Language::German => {
            is_part_of_day(word)
                || matches!(
                    word,
                    "heute" | "übermorgen" | "uebermorgen" | "gestern" | "vorgestern" | "uhr" | "halb" | "viertel"
                )
        }
    };
    let modifier = modifier(word, language).filter(|modifier| *modifier != Modifier::This);
    alone
        || modifier.is_some()
        || weekday(word, language).is_some()
        || month(word, language).is_some()
        || unit(word, language).is_some()
        || number(word, language).is_some()
}

fn is_part_of_day(word: &str) -> bool {
    let word = word.strip_suffix('s').unwrap_or(word);
    matches!(word, "morgen" | "vormittag" | "mittag" | "nachmittag" | "abend" | "früh")
}

/// The month of a word, 1 to 12.
pub(super) fn month(word: &str, language: Language) -> Option<i8> {
    let names: [&[&str]; 12] = match language {
        Language::English => [
            &["january", "jan"],
            &["february", "feb"],
            &["march"],
            &["april", "apr"],
            &["may"],
            &["june"],
            &["july"],
            &["august", "aug"],
            &["september", "sept", "sep"],
            &["october", "oct"],
            &["november", "nov"],
            &["december", "dec"],
        ],
        Language::German => [
            &["januar", "jänner"],
            &["februar", "feber"],
            &["märz", "maerz"],
            &["april"],
            &["mai"],
            &["juni", "juno"],
            &["juli", "julei"],
            &["august"],
            &["september"],
            &["oktober"],
            &["november"],
            &["dezember"],
        ],
    };
    names.iter().position(|all| all.contains(&word)).map(|at| at as i8 + 1)
}

pub(super) fn modifier(word: &str, language: Language) -> Option<Modifier> {
    match language {
        Language::English => match word {
            "this" => Some(Modifier::This),
            "next" => Some(Modifier::Next),
            "coming" | "following" => Some(Modifier::Coming),
            "last" | "previous" => Some(Modifier::Last),
            _ => None,
        },
        Language::German => {
            let stem = word.trim_end_matches(['e', 'n', 'r', 's', 'm']);
            match stem {
                "di" => Some(Modifier::This),
                "nächst" | "naechst" => Some(Modifier::Next),
                "kommend" | "folgend" => Some(Modifier::Coming),
                "übernächst" | "uebernaechst" => Some(Modifier::AfterNext),
                "letzt" | "vergang" | "vorig" => Some(Modifier::Last),
                _ => None,
            }
        }
    }
}

pub(super) fn unit(word: &str, language: Language) -> Option<Unit> {
    match (language, word) {
        (Language::English, "day" | "days") | (Language::German, "tag" | "tage" | "tagen") => Some(Unit::Day),
        (Language::English, "week" | "weeks") | (Language::German, "woche" | "wochen") => Some(Unit::Week),
        (Language::English, "fortnight") => Some(Unit::Fortnight),
        (Language::English, "weekend") | (Language::German, "wochenende" | "wochenendes") => Some(Unit::Weekend),
        (Language::English, "month" | "months") | (Language::German, "monat" | "monate" | "monaten" | "monats") => {
            Some(Unit::Month)
        }
        _ => None,
    }
}

pub(super) fn relation(word: &str, language: Language) -> Option<Relation> {
    match language {
        Language::English => match word {
            "at" => Some(Relation::At),
            "around" | "about" => Some(Relation::Around),
            "from" | "starting" => Some(Relation::From),
            "after" => Some(Relation::After),
            "before" => Some(Relation::Before),
            "until" | "till" | "by" | "to" | "through" => Some(Relation::Until),
            "between" => Some(Relation::Between),
            "and" => Some(Relation::And),
            _ => None,
        },
        Language::German => match word {
            "um" => Some(Relation::At),
            "gegen" => Some(Relation::Around),
            "ab" | "von" | "vom" => Some(Relation::From),
            "nach" => Some(Relation::After),
            "vor" => Some(Relation::Before),
            "bis" => Some(Relation::Until),
            "zwischen" => Some(Relation::Between),
            "und" => Some(Relation::And),
            _ => None,
        },
    }
}

/// Whether what follows is what the caller does not want.
pub(super) fn negates(word: &str, language: Language) -> bool {
    match language {
        Language::English => matches!(word, "not" | "except" | "isn't" | "can't" | "cannot" | "don't" | "won't"),
        Language::German => matches!(word, "nicht" | "kein" | "keinen" | "außer" | "ausser"),
    }
}

/// Whether a word may stand between a relation or a weekday and the date that belongs to it.
pub(super) fn is_filler(word: &str) -> bool {
    matches!(word, "the" | "on" | "of" | "a" | "am" | "dem" | "den" | "der" | "zum" | "in" | "im")
}

/// An article that counts: in *a* week, in *einer* Woche.
pub(super) fn is_one(word: &str) -> bool {
    matches!(word, "a" | "an" | "ein" | "eine" | "einem" | "einen" | "einer")
}

/// A number of 0 to 59 and whether it counts a place in a row: `third`, `dritten`.
pub(super) fn number(word: &str, language: Language) -> Option<(u16, bool)> {
    match language {
        Language::English => english(word),
        Language::German => german(word),
    }
}

fn english(word: &str) -> Option<(u16, bool)> {
    const CARDINALS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const ORDINALS: [&str; 20] = [
        "zeroth",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
    ];
    let tens = match word {
        "twenty" => Some((20, false)),
        "thirty" => Some((30, false)),
        "forty" => Some((40, false)),
        "fifty" => Some((50, false)),
        "twentieth" => Some((20, true)),
        "thirtieth" => Some((30, true)),
        _ => None,
    };
    let at = |all: &[&str]| all.iter().position(|known| *known == word).map(|at| at as u16);
    tens.or_else(|| at(&CARDINALS).map(|n| (n, false))).or_else(|| at(&ORDINALS).map(|n| (n, true)))
}

fn german(word: &str) -> Option<(u16, bool)> {
    if let Some(number) = german_cardinal(word) {
        return Some((number, false));
    }
    let stem = ["ten", "ter", "tes", "tem", "te"].iter().find_map(|end| word.strip_suffix(end))?;
    let number = match stem {
        "ers" => 1,
        "drit" => 3,
        "sieb" => 7,
        "ach" => 8,
        _ => german_cardinal(stem.strip_suffix('s').unwrap_or(stem)).filter(|number| *number > 1)?,
    };
    Some((number, true))
}

fn german_cardinal(word: &str) -> Option<u16> {
    const UNITS: [&str; 20] = [
        "null",
        "eins",
        "zwei",
        "drei",
        "vier",
        "fünf",
        "sechs",
        "sieben",
        "acht",
        "neun",
        "zehn",
        "elf",
        "zwölf",
        "dreizehn",
        "vierzehn",
        "fünfzehn",
        "sechzehn",
        "siebzehn",
        "achtzehn",
        "neunzehn",
    ];
    let tens = |word: &str| match word {
        "zwanzig" => Some(20),
        "dreißig" | "dreissig" => Some(30),
        "vierzig" => Some(40),
        "fünfzig" => Some(50),
        _ => None,
    };
    let units = |word: &str| UNITS.iter().position(|known| *known == word).map(|at| at as u16);
    match word {
        "zwo" => Some(2),
        _ => units(word).or_else(|| tens(word)).or_else(|| {
            let (ones, ten) = word.split_once("und")?;
            let ones = if ones == "ein" { 1 } else { units(ones).filter(|ones| (1..10).contains(ones))? };
            Some(tens(ten)? + ones)
        }),
    }
}
