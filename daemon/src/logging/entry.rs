//! A log record that can cross to another thread.

use log::kv::{Key, Value, VisitSource};
use log::{Level, Record};

use super::event::Event;

/// What a [`Record`] says, owned.
#[derive(Debug)]
pub(super) struct Entry {
    level: Level,
    target: String,
    module: Option<&'static str>,
    file: Option<&'static str>,
    line: Option<u32>,
    message: String,
    pairs: Vec<(String, String)>,
}

impl Entry {
    /// Copies `record`, its arguments formatted: they may borrow from whoever logs.
    pub(super) fn copy(record: &Record<'_>) -> Self {
        let mut pairs = Pairs(Vec::new());
        // A value that cannot be formatted ends the visit; what came before it is kept.
        let _ = record.key_values().visit(&mut pairs);
        Self {
            level: record.level(),
            target: record.target().to_owned(),
            module: record.module_path_static(),
            file: record.file_static(),
            line: record.line(),
            message: record.args().to_string(),
            pairs: pairs.0,
        }
    }

    /// A message of the log about itself.
    pub(super) fn own(level: Level, event: Event, message: String) -> Self {
        let target = module_path!().to_owned();
        let pairs = vec![("event".to_owned(), event.to_string())];
        Self { level, target, module: None, file: None, line: None, message, pairs }
    }

    /// Hands the record to `log`.
    pub(super) fn write_to(&self, log: &dyn log::Log) {
        log.log(
            &Record::builder()
                .level(self.level)
                .target(&self.target)
                .module_path_static(self.module)
                .file_static(self.file)
                .line(self.line)
                .key_values(&self.pairs)
                .args(format_args!("{}", self.message))
                .build(),
        );
    }
}

struct Pairs(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Pairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.0.push((key.as_str().to_owned(), value.to_string()));
        Ok(())
    }
}
