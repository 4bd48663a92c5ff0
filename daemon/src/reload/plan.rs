//! What changes between two configurations, and what of it a running daemon can take.
//!
//! Every key of every section is named here once, on one side or the other: a section that gets a new field does not
//! compile until somebody has decided.

use std::mem::discriminant;

use crate::config::{
    AdminConfig, CalendarConfig, ClinicConfig, Config, ControlConfig, DeskConfig, GeminiAccess, GeminiConfig,
    GoogleConfig, GoogleLogin, LogConfig, MailBackend, MailConfig, PhoneConfig, StoreConfig,
};

/// What to do about a configuration that was read while the daemon runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is in force from now on: what is wanted, as far as it can be had without a restart.
    pub next: Config,
    /// The keys that are in force now and were not before, in the order of the sections.
    pub applied: Vec<&'static str>,
    /// The keys that are written otherwise than they are in force.
    pub restart: Vec<&'static str>,
}

/// Sorts what differs between the configuration that is in force and the one that is wanted.
pub fn plan(running: &Config, wanted: &Config) -> Plan {
    let mut sorter = Sorter { next: running.clone(), applied: Vec::new(), restart: Vec::new() };
    let Config { clinic, gemini, phone, desk, mail, calendar, google, admin, control, store, backups, log } = wanted;
    let number_stays = phone.number == running.phone.number;
    sorter.clinic(clinic, number_stays && *calendar == running.calendar, &running.clinic);
    sorter.gemini(gemini, &running.gemini);
    sorter.phone(phone, &running.phone);
    sorter.desk(desk, &running.desk);
    sorter.calendar(calendar, &running.calendar);
    sorter.mail(mail, &running.mail);
    sorter.google(google, &running.google);
    sorter.listeners(admin, &running.admin, control, &running.control);
    sorter.store(store, &running.store);
    sorter.fixed("[store] backups", backups, &running.backups);
    let LogConfig { level } = log;
    sorter.live("[log] level", level, |next| &mut next.log.level);
    let Sorter { next, applied, restart } = sorter;
    Plan { next, applied, restart }
}

struct Sorter {
    next: Config,
    applied: Vec<&'static str>,
    restart: Vec<&'static str>,
}

impl Sorter {
    /// Something that the next conversation takes.
    fn live<T: PartialEq + Clone>(&mut self, key: &'static str, wanted: &T, place: impl FnOnce(&mut Config) -> &mut T) {
        let running = place(&mut self.next);
        if running != wanted {
            running.clone_from(wanted);
            self.applied.push(key);
        }
    }

    /// Something that is built into what runs.
    fn fixed<T: PartialEq>(&mut self, key: &'static str, wanted: &T, running: &T) {
        if wanted != running {
            self.restart.push(key);
        }
    }

    /// The clinic's data go with the calendars that they are kept in, with the zone that those are read in and with the
    /// number that nobody in them may have: unless the `surroundings_stay`, they wait for the restart with these. A clinic
    /// that gets data for the first time, or has none any more, gets or loses whole parts of the daemon.
    fn clinic(&mut self, wanted: &ClinicConfig, surroundings_stay: bool, before: &ClinicConfig) {
        let ClinicConfig { name, time_zone, language, data, knowledge, personas } = wanted;
        let zone_stays = *time_zone == before.time_zone;
        let same_kind = data.is_some() == before.data.is_some();
        if zone_stays && same_kind && (surroundings_stay || *data == before.data) {
            self.live("[clinic] name", name, |next| &mut next.clinic.name);
            self.live("[clinic] language", language, |next| &mut next.clinic.language);
            self.live("clinic.toml (the clinic's data)", data, |next| &mut next.clinic.data);
            self.live("[clinic] knowledge", knowledge, |next| &mut next.clinic.knowledge);
            self.live("clinic.toml (personas)", personas, |next| &mut next.clinic.personas);
            return;
        }
        self.fixed("[clinic] name", name, &before.name);
        self.fixed("[clinic] time_zone", time_zone, &before.time_zone);
        self.fixed("[clinic] language", language, &before.language);
        self.fixed("clinic.toml (the clinic's data)", data, &before.data);
        self.fixed("[clinic] knowledge", knowledge, &before.knowledge);
        self.fixed("clinic.toml (personas)", personas, &before.personas);
    }

    /// The model and its voice go with the product that has them: while another endpoint, or the other kind of access,
    /// waits for the restart, they wait with it. A key that was only renewed keeps nothing waiting.
    fn gemini(&mut self, wanted: &GeminiConfig, running: &GeminiConfig) {
        let GeminiConfig { endpoint, api_version, model, voice, access, ca_file, instruction, greeting, rotate_after } =
            wanted;
        self.fixed("[gemini] endpoint", endpoint, &running.endpoint);
        if *endpoint == running.endpoint && discriminant(access) == discriminant(&running.access) {
            self.live("[gemini] api_version", api_version, |next| &mut next.gemini.api_version);
            self.live("[gemini] model", model, |next| &mut next.gemini.model);
            self.live("[gemini] voice", voice, |next| &mut next.gemini.voice);
        } else {
            self.fixed("[gemini] api_version", api_version, &running.api_version);
            self.fixed("[gemini] model", model, &running.model);
            self.fixed("[gemini] voice", voice, &running.voice);
        }
        self.fixed(access_key(access, &running.access), access, &running.access);
        self.fixed("[gemini] ca_file", ca_file, &running.ca_file);
        self.live("[gemini] prompt_file", instruction, |next| &mut next.gemini.instruction);
        self.live("[gemini] greeting", greeting, |next| &mut next.gemini.greeting);
        self.live("[gemini] rotate_after", rotate_after, |next| &mut next.gemini.rotate_after);
    }

    fn phone(&mut self, wanted: &PhoneConfig, running: &PhoneConfig) {
        let PhoneConfig {
            listen,
            public_url,
            number,
            fallback_number,
            max_calls,
            twilio_api,
            lead,
            max_call,
            no_input,
            goodbye,
            drain,
            fallback_say,
            voicemail_say,
            voicemail_goodbye,
            tls,
            account_sid,
            auth_token,
            auth_token_secondary,
        } = wanted;
        self.fixed("[phone] listen", listen, &running.listen);
        self.fixed("[phone] public_url", public_url, &running.public_url);
        self.fixed("[phone] number", number, &running.number);
        if *number == running.number {
            self.live("[phone] fallback_number", fallback_number, |next| &mut next.phone.fallback_number);
        } else {
            // The one that is wanted may be the one that still leads here.
            self.fixed("[phone] fallback_number", fallback_number, &running.fallback_number);
        }
        self.live("[phone] max_calls", max_calls, |next| &mut next.phone.max_calls);
        self.fixed("[phone] twilio_api", twilio_api, &running.twilio_api);
        self.live("[phone] lead_ms", lead, |next| &mut next.phone.lead);
        self.live("[phone] max_call_minutes", max_call, |next| &mut next.phone.max_call);
        self.live("[phone] no_input_seconds", no_input, |next| &mut next.phone.no_input);
        self.live("[phone] goodbye_seconds", goodbye, |next| &mut next.phone.goodbye);
        self.live("[phone] drain_seconds", drain, |next| &mut next.phone.drain);
        self.live("[phone] fallback_say", fallback_say, |next| &mut next.phone.fallback_say);
        self.live("[phone] voicemail_say", voicemail_say, |next| &mut next.phone.voicemail_say);
        self.live("[phone] voicemail_goodbye", voicemail_goodbye, |next| &mut next.phone.voicemail_goodbye);
        self.fixed("[phone] tls", tls, &running.tls);
        self.fixed("the secret twilio-account-sid", account_sid, &running.account_sid);
        self.fixed("the secret twilio-auth-token", auth_token, &running.auth_token);
        self.fixed("the secret twilio-auth-token-secondary", auth_token_secondary, &running.auth_token_secondary);
    }

    fn desk(&mut self, wanted: &DeskConfig, running: &DeskConfig) {
        let DeskConfig { device, wake, echo, volume_percent, no_input, goodbye, longest } = wanted;
        self.fixed("[desk] device", device, &running.device);
        self.fixed("[desk] wake", wake, &running.wake);
        self.fixed("[desk] echo", echo, &running.echo);
        self.live("[desk] volume_percent", volume_percent, |next| &mut next.desk.volume_percent);
        self.live("[desk] no_input_seconds", no_input, |next| &mut next.desk.no_input);
        self.live("[desk] goodbye_seconds", goodbye, |next| &mut next.desk.goodbye);
        self.live("[desk] max_minutes", longest, |next| &mut next.desk.longest);
    }

    fn calendar(&mut self, wanted: &CalendarConfig, running: &CalendarConfig) {
        let CalendarConfig { backend, feed, names } = wanted;
        self.fixed("[calendar] backend, its calendars and its secret", backend, &running.backend);
        self.fixed("[calendar] feed", feed, &running.feed);
        self.fixed("[calendar] names", names, &running.names);
    }

    fn mail(&mut self, wanted: &MailConfig, running: &MailConfig) {
        let MailConfig { backend, from, reply_to, staff, templates } = wanted;
        let key = match backend {
            MailBackend::Folder { .. } => "[mail] backend and its folder",
            MailBackend::Smtp(_) => "[mail] backend, its server and its secret",
            MailBackend::Gmail => "[mail] backend",
        };
        self.fixed(key, backend, &running.backend);
        self.fixed("[mail] from", from, &running.from);
        self.fixed("[mail] reply_to", reply_to, &running.reply_to);
        self.fixed("[mail] staff", staff, &running.staff);
        self.fixed("[mail] templates", templates, &running.templates);
    }

    fn google(&mut self, wanted: &GoogleConfig, running: &GoogleConfig) {
        let GoogleConfig { endpoint, login, token_file } = wanted;
        self.fixed("[google] endpoint", endpoint, &running.endpoint);
        let key = match login {
            Some(GoogleLogin::Service { .. }) => "[google] login or the secret google-credentials",
            Some(GoogleLogin::User { .. } | GoogleLogin::Unseen) | None => "[google] login or its secret",
        };
        self.fixed(key, login, &running.login);
        self.fixed("[google] token_file", token_file, &running.token_file);
    }

    fn listeners(
        &mut self,
        AdminConfig { listen, token, tls }: &AdminConfig,
        admin: &AdminConfig,
        ControlConfig { socket }: &ControlConfig,
        control: &ControlConfig,
    ) {
        self.fixed("[admin] listen", listen, &admin.listen);
        self.fixed("the secret admin-token", token, &admin.token);
        self.fixed("[admin] tls", tls, &admin.tls);
        self.fixed("[control] socket", socket, &control.socket);
    }

    fn store(&mut self, wanted: &StoreConfig, running: &StoreConfig) {
        let StoreConfig { path, keep_days } = wanted;
        self.fixed("[store] path", path, &running.path);
        self.fixed("[store] keep_days", keep_days, &running.keep_days);
    }
}

/// How people call what changed of the access to Gemini.
fn access_key(wanted: &GeminiAccess, running: &GeminiAccess) -> &'static str {
    match (wanted, running) {
        (GeminiAccess::ApiKey(_), GeminiAccess::ApiKey(_)) => "the secret gemini-api-key",
        (GeminiAccess::Vertex { project, location, .. }, GeminiAccess::Vertex { project: of, location: at, .. })
            if (project, location) == (of, at) =>
        {
            "the secret google-credentials"
        }
        _ => "[gemini] vertex",
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
