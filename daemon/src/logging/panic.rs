//! Panics as log records.

use std::panic::PanicHookInfo;

/// Has every panic logged with its place, in place of the default, which prints its text.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        log::error!(event:% = super::Event::Panicked, thread = thread.name().unwrap_or("unnamed"); "panicked {}", describe(info));
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(|| "somewhere".to_owned(), |place| format!("at {place}"));
    match text(info.payload()) {
        Some(literal) => format!("{place}: {literal}"),
        None => place,
    }
}

/// The panic's text if it stands in the source code. One that was put together may quote what a caller said: a slice
/// off a character's boundary, for one, shows the whole string.
fn text(payload: &(dyn std::any::Any + Send)) -> Option<&'static str> {
    payload.downcast_ref::<&'static str>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(panic: impl FnOnce() + std::panic::UnwindSafe) -> Option<&'static str> {
        text(std::panic::catch_unwind(panic).unwrap_err().as_ref())
    }

    #[test]
    fn what_a_caller_said_is_not_quoted() {
        let said = String::from("mein Name ist Jürgen");
        assert_eq!(text_of(move || drop(said[..16].to_owned())), None);
        assert_eq!(text_of(|| panic!("the invariant")), Some("the invariant"));
    }
}
