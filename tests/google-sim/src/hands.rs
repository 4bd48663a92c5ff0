//! What people do outside of the interfaces: the clinic's staff in their calendar, the owner of the account, its
//! administrator.

use serde_json::{Value, json};

use crate::{
    calendar::{Calendar, Fields},
    error::ApiError,
    oauth::{Key, Person, SERVICE_CLIENT_ID, Token},
    settings::Role,
    sim::{Sim, State},
};

/// Why a hand could not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandError {
    /// There is no such calendar.
    #[error("there is no calendar {0:?}")]
    NoCalendar(String),
    /// Google would not take that.
    #[error("the calendar refuses: {0}")]
    Refused(String),
}

fn refused(error: &ApiError) -> HandError {
    HandError::Refused(error.message().to_owned())
}

fn calendar<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Calendar, HandError> {
    state.calendars.get_mut(id).ok_or_else(|| HandError::NoCalendar(id.to_owned()))
}

impl Sim {
    /// A person of the clinic.
    fn staff(&self) -> Person {
        Person { email: self.settings.user.clone(), robot: false }
    }

    pub(crate) fn staff_add(&self, id: &str, event: Fields) -> Result<String, HandError> {
        let now = self.clock.now();
        let added = calendar(&mut self.state(), id)?.insert(event, &self.staff(), now);
        self.changed.notify_waiters();
        added.map_err(|error| refused(&error))
    }

    /// Changes fields as a PATCH does.
    pub(crate) fn staff_change(&self, id: &str, event: &str, change: Fields) -> Result<(), HandError> {
        let (now, staff) = (self.clock.now(), self.staff());
        let changed = calendar(&mut self.state(), id)?.patch(event, change, &staff, now);
        self.changed.notify_waiters();
        changed.map_err(|error| refused(&error))
    }

    pub(crate) fn staff_delete(&self, id: &str, event: &str) -> Result<(), HandError> {
        let now = self.clock.now();
        let deleted = calendar(&mut self.state(), id)?.cancel(event, now);
        self.changed.notify_waiters();
        deleted.map_err(|error| refused(&error))
    }

    /// Every event of a calendar as its owner sees it, deleted ones included.
    pub(crate) fn events(&self, id: &str) -> Result<Vec<Value>, HandError> {
        let mut state = self.state();
        let calendar = calendar(&mut state, id)?;
        Ok(calendar.events.values().map(|event| calendar.shown_to_owner(event, &self.settings.user)).collect())
    }

    pub(crate) fn share(&self, id: &str, email: &str, role: Role) -> Result<(), HandError> {
        calendar(&mut self.state(), id)?.share(email, role);
        Ok(())
    }

    pub(crate) fn expire_sync_tokens(&self, id: &str) -> Result<(), HandError> {
        let mut state = self.state();
        let calendar = calendar(&mut state, id)?;
        calendar.changes += 1;
        calendar.sync_from = calendar.changes;
        Ok(())
    }

    pub(crate) fn break_busy(&self, id: &str, reason: Option<&str>) -> Result<(), HandError> {
        calendar(&mut self.state(), id)?.busy_error = reason.map(str::to_owned);
        Ok(())
    }

    pub(crate) fn key_file(&self) -> Value {
        Key::file(&self.settings.service_account, SERVICE_CLIENT_ID, &self.base)
    }

    pub(crate) fn client_file(&self) -> Value {
        json!({ "installed": {
            "client_id": self.settings.client_id,
            "project_id": "clinic-frontdesk",
            "auth_uri": format!("{}/o/oauth2/v2/auth", self.base),
            "token_uri": format!("{}/token", self.base),
            "client_secret": self.settings.client_secret,
            "redirect_uris": ["http://localhost"],
        }})
    }

    /// An access token without any ceremony; the service account's when the address is its.
    pub(crate) fn token_for(&self, email: &str, scopes: &[&str]) -> String {
        let person = Person { email: email.to_owned(), robot: email == self.settings.service_account };
        let expires = self.clock.after(self.settings.access_token_life);
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.state().grants.access(Token { person, scopes, expires, offline: false })
    }
}
