//! What `frontdeskd` can be told on its command line; its manual page is made from this.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config;

/// A voice receptionist for clinics: answers the phone with Gemini Live.
#[derive(Debug, Parser)]
#[command(
    name = "frontdeskd",
    version,
    after_help = "Examples:\n  frontdeskd check\n  frontdeskd --config ./config.toml"
)]
pub struct Arguments {
    /// The configuration file; drop-ins are read from the folder beside it (config.d for config.toml).
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH, env = "FRONTDESK_CONFIG", global = true)]
    pub config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Run the daemon. The default.
    Run,
    /// Check the configuration, its files and secrets, and say what is wrong; start nothing. As root it sees the secrets
    /// that systemd passes to the unit.
    Check,
}
