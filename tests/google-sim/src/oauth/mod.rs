//! Google's token server and consent page.

mod consent;
mod grants;
mod info;
mod jwt;
mod key;
mod token;

pub(crate) use consent::consent;
pub(crate) use grants::{Grants, Person, Token, random_hex, random_id};
pub(crate) use info::{api_token_info, api_user_info, revoke, token_info};
pub(crate) use key::Key;
pub(crate) use token::token;

/// The number of the service account.
pub(crate) const SERVICE_CLIENT_ID: &str = "104730000000000000000";
/// What every assertion is addressed to, whatever the address that it is sent to.
pub(crate) const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
