//! `frontdeskctl`, the technician's tool: asks a running daemon and shows the answer to people, or as JSON.
//!
//! ```text
//! arguments ─► a command (one file each) ─► client ──control socket, or admin listener──► frontdeskd
//!                      └─► show: tables, local times, masked numbers
//! ```

mod book;
mod browser;
mod calls;
mod client;
mod desk;
mod desk_test;
mod doctor;
mod files;
mod google;
mod google_login;
mod local;
mod logs;
mod manuals;
mod progress;
mod provision;
mod reload;
mod secrets;
mod show;
mod status;
mod support;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::session::id::ConversationId;
use jiff::tz::TimeZone;

use crate::config::Secret;
use client::{Client, Target};
use secrets::SecretsCommand;

pub use browser::BrowserError;
pub use client::CtlError;
pub use files::FileError;
pub use local::LocalError;
pub use provision::ProvisionError;
pub use secrets::{SecretsError, Unfit};

const EXAMPLES: &str = "\
Examples:
  frontdeskctl status                      how the daemon is, and who is on the phone
  frontdeskctl status --watch              the same, kept up to date until Ctrl-C
  frontdeskctl calls                       the last calls
  frontdeskctl calls show CA0123…          one call, with what was said
  frontdeskctl calls end CA0123…           end a running call
  frontdeskctl --json calls --limit 500    for programs; with whole phone numbers
  frontdeskctl desk                        the speakerphone, and how well its sound runs
  frontdeskctl desk levels                 live meters of microphone and loudspeaker
  frontdeskctl desk test                   play a sound there, and say what is wrong
  frontdeskctl desk talk --persona guide   begin a conversation there, in the voice of one of the clinic's personas
  frontdeskctl appointments                what is booked in the next seven days
  frontdeskctl messages                    what callers left for staff
  frontdeskctl outbox                      what is still to be done outside: calendar, mail, SMS
  frontdeskctl google login                let the clinic's Google account be used
  frontdeskctl google test                 try out calendars and mail at Google
  frontdeskctl reload                      read the configuration again, for new conversations
  frontdeskctl drain                       take no new calls, before a restart
  sudo frontdeskctl doctor                 look at everything that a box needs; what is wrong, and what mends it
  frontdeskctl logs --since 1h --errors    what went wrong in the last hour, from the journal
  frontdeskctl support-bundle              one file for whoever is asked for help, without anything of anybody
  frontdeskctl secrets set gemini-api-key  store a secret, encrypted
  frontdeskctl provision ./folder          tell a new box everything that it needs
  FRONTDESK_ADMIN_TOKEN=… frontdeskctl --url https://desk.lan:8090 status

Exit status:
  0  done, and all is well
  1  it could not be done, or something is wrong
  2  wrong arguments
  3  the daemon cannot be reached
  4  you may not ask it, or only root may do it
  5  provision: everything is in place, but a plain secret could not be erased

Times are local: the system's time zone, or that of the variable TZ.";
const URL_HELP: &str = "Ask the admin listener instead, for example http://127.0.0.1:8090; another machine only by \
                        https. The admin token is taken from FRONTDESK_ADMIN_TOKEN";

/// What is asked for.
#[derive(Debug, Parser)]
#[command(name = "frontdeskctl", version, about = "Look after a running frontdeskd", after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON, as the daemon answers it
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// Where the daemon is.
#[derive(Debug, Args)]
struct Connection {
    /// The daemon's control socket
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "FRONTDESK_SOCKET",
        default_value = "/run/frontdesk/control.sock"
    )]
    socket: PathBuf,
    #[arg(long, global = true, value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    /// Certificates to trust beside the system's, for --url (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how the daemon is, and the calls that are running
    Status {
        /// Show it again every two seconds, until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// Look at calls, or end one
    #[command(args_conflicts_with_subcommands = true)]
    Calls {
        #[command(subcommand)]
        command: Option<CallsCommand>,
        #[command(flatten)]
        list: calls::List,
    },
    /// Look at the speakerphone of the front desk
    Desk {
        #[command(subcommand)]
        command: Option<DeskCommand>,
    },
    /// List appointments, by time
    Appointments(book::Days),
    /// Read what callers left for staff, the newest first
    #[command(args_conflicts_with_subcommands = true)]
    Messages {
        #[command(subcommand)]
        command: Option<MessagesCommand>,
        #[command(flatten)]
        which: book::Which,
    },
    /// Look at what is to be done outside and is not: calendar entries, mail, text messages
    ///
    /// Names nobody. The exit status is 1 when something was given up.
    Outbox {
        #[command(subcommand)]
        command: Option<OutboxCommand>,
    },
    /// List who changed what of appointments, messages and errands, the oldest first; names nobody
    #[command(args_conflicts_with_subcommands = true)]
    Audit {
        #[command(subcommand)]
        command: Option<AuditCommand>,
        #[command(flatten)]
        rows: book::Rows,
    },
    /// Look after access to Google, for calendars and mail
    Google {
        #[command(subcommand)]
        command: Option<GoogleCommand>,
    },
    /// Say in one word how the daemon is; for scripts, by the exit status
    Health,
    /// Print the daemon's counters (OpenMetrics)
    Metrics,
    /// Have the configuration read again: new conversations obey it, running ones go on as they are
    ///
    /// Says what is in force now and what needs a restart. A configuration with mistakes is refused, each of which is told;
    /// the exit status is 1, and the one of before goes on. systemctl reload does the same.
    Reload,
    /// Take no new calls: they go to the fallback, running ones go on. A restart ends this
    Drain,
    /// Look at everything that a box needs, say what is wrong and what mends it; the exit status is 1 if something is
    ///
    /// Configuration, secrets, clock, network, Gemini, Twilio, the speakerphone, the machine. Works with and without a
    /// running daemon; as root it sees more.
    Doctor(doctor::Options),
    /// Show what the daemon has logged, by the journal's own program
    Logs(logs::Options),
    /// Write one file for whoever is asked for help: how the box is, and nothing of anybody
    ///
    /// Shows what would be in it, and asks, before it is written. Names, numbers, addresses, keys and speech are left out.
    SupportBundle(support::Options),
    /// Look after the secrets that this machine passes to the daemon
    Secrets {
        #[command(subcommand)]
        command: Option<SecretsCommand>,
    },
    /// Tell a new box everything that it needs, from one folder or file; the plain secrets in it are erased
    ///
    /// Everything is checked first; if anything is wrong, nothing is changed. docs/provisioning.md describes the folder.
    Provision(provision::Options),
    /// Write manual pages and shell completions, for the packages
    #[command(hide = true)]
    Manuals(manuals::Options),
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// List calls, the newest first. The default
    List(calls::List),
    /// Show one call with what was said
    Show {
        /// The call's identifier: CA and 32 hexadecimal digits
        sid: ConversationId,
    },
    /// End a running call
    End {
        /// The call's identifier: CA and 32 hexadecimal digits
        sid: ConversationId,
    },
}

#[derive(Debug, Subcommand)]
enum MessagesCommand {
    /// List messages that are not dealt with. The default
    List(book::Which),
    /// Say that a message is dealt with: it is erased some months later
    Read {
        /// The message's number
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Say whether all rows are as they were written; the exit status is 1 if not
    Check,
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// List what waits and what was given up. The default
    List {
        /// Only what was given up
        #[arg(long)]
        dead: bool,
    },
    /// Try an errand now, also one that was given up
    Retry {
        /// The errand's number
        #[arg(required_unless_present = "dead")]
        id: Option<i64>,
        /// All that were given up, such as after the settings were mended
        #[arg(long, conflicts_with = "id")]
        dead: bool,
    },
    /// Give an errand up for good
    Drop {
        /// The errand's number
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
enum GoogleCommand {
    /// Show who the daemon is at Google, and until when. The default
    Status,
    /// Let somebody log in in a browser, and use that from now on, without a restart
    ///
    /// Shows an address to open, here or on another machine, and waits for the browser to come back. On any error everything
    /// is as it was.
    Login(google_login::Options),
    /// Try out what the daemon does at Google: read and write calendars, send mail; the exit status is 1 if something fails
    ///
    /// A test event takes no time in the calendar and is deleted at once.
    Test(google::Trial),
    /// Forget the login, here and at Google
    ///
    /// Google then forgets all that the account has granted to the OAuth project, whoever uses it.
    Logout,
}

#[derive(Debug, Subcommand)]
enum DeskCommand {
    /// Show which speakerphone is used, how it was opened, and how well its sound runs. The default
    Status,
    /// List this machine's sound cards, and how each would be opened
    List,
    /// Show live meters of microphone and loudspeaker, until Ctrl-C
    Levels,
    /// Play a test sound for some seconds, measure what comes back, and say what is wrong
    ///
    /// Measures the delay from loudspeaker to microphone, levels, how much of the echo is taken away, the true rates, and
    /// sound that was lost. Refused while a conversation runs; a conversation that begins ends the test. The exit status
    /// is 1 when something is wrong.
    Test,
    /// Begin a conversation there, as the button does
    ///
    /// Prints the conversation's identifier: frontdeskctl calls end ends it.
    Talk {
        /// Who speaks: the id of one of the clinic's personas. Without it the one whom clinic.toml has speak there now
        #[arg(long, value_name = "ID", value_parser = PersonaId::parse)]
        persona: Option<PersonaId>,
    },
}

/// Whether the answer is a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Well,
    /// The daemon answered, and something is wrong.
    Unwell,
}

/// Asks the daemon and writes the answer to `out`, with times in `zone`. `token` is for an admin listener that wants
/// one; it is no argument, because those are seen by every user of the machine.
pub async fn run(
    arguments: Arguments,
    token: Option<Secret>,
    out: &mut dyn Write,
    zone: &TimeZone,
) -> Result<Verdict, CtlError> {
    let Arguments { connection, json, command } = arguments;
    let target = match &connection.url {
        Some(url) => Target::url(url, connection.ca_file.as_deref(), token.is_some())?,
        None => Target::Socket(connection.socket),
    };
    let client = Client { target, token };
    let mut view = View { out, zone, json };
    match command {
        Command::Status { watch: false } => status::once(&client, &mut view).await,
        Command::Status { watch: true } => status::watch(&client, &mut view).await,
        Command::Calls { command: None, list } | Command::Calls { command: Some(CallsCommand::List(list)), .. } => {
            calls::list(&client, &mut view, &list).await
        }
        Command::Calls { command: Some(CallsCommand::Show { sid }), .. } => calls::show(&client, &mut view, sid).await,
        Command::Calls { command: Some(CallsCommand::End { sid }), .. } => calls::end(&client, &mut view, sid).await,
        Command::Desk { command: None | Some(DeskCommand::Status) } => desk::status(&client, &mut view).await,
        Command::Desk { command: Some(DeskCommand::List) } => desk::list(&client, &mut view).await,
        Command::Desk { command: Some(DeskCommand::Levels) } => desk::levels(&client, &mut view).await,
        Command::Desk { command: Some(DeskCommand::Test) } => desk_test::test(&client, &mut view).await,
        Command::Desk { command: Some(DeskCommand::Talk { persona }) } => {
            desk::talk(&client, &mut view, persona.as_ref()).await
        }
        Command::Appointments(days) => book::appointments(&client, &mut view, &days).await,
        Command::Messages { command: None, which }
        | Command::Messages { command: Some(MessagesCommand::List(which)), .. } => {
            book::messages(&client, &mut view, &which).await
        }
        Command::Messages { command: Some(MessagesCommand::Read { id }), .. } => {
            book::read(&client, &mut view, id).await
        }
        Command::Audit { command: None, rows } => book::audit(&client, &mut view, &rows).await,
        Command::Audit { command: Some(AuditCommand::Check), .. } => book::check_audit(&client, &mut view).await,
        Command::Outbox { command: None } => book::outbox(&client, &mut view, false).await,
        Command::Outbox { command: Some(OutboxCommand::List { dead }) } => book::outbox(&client, &mut view, dead).await,
        Command::Outbox { command: Some(OutboxCommand::Retry { id: Some(id), .. }) } => {
            book::retry(&client, &mut view, id).await
        }
        Command::Outbox { command: Some(OutboxCommand::Retry { id: None, .. }) } => {
            book::retry_dead(&client, &mut view).await
        }
        Command::Outbox { command: Some(OutboxCommand::Drop { id }) } => book::give_up(&client, &mut view, id).await,
        Command::Google { command: None | Some(GoogleCommand::Status) } => google::status(&client, &mut view).await,
        Command::Google { command: Some(GoogleCommand::Login(options)) } => {
            google_login::login(&client, &mut view, &options).await
        }
        Command::Google { command: Some(GoogleCommand::Test(trial)) } => google::test(&client, &mut view, &trial).await,
        Command::Google { command: Some(GoogleCommand::Logout) } => google::logout(&client, &mut view).await,
        Command::Health => status::health(&client, &mut view).await,
        Command::Metrics => status::metrics(&client, &mut view).await,
        Command::Reload => reload::reload(&client, &mut view).await,
        Command::Drain => status::drain(&client, &mut view).await,
        Command::Doctor(options) => {
            here(&client, "looking after a box")?;
            doctor::run(&client, &mut view, &options).await
        }
        Command::Logs(options) => {
            here(&client, "the journal")?;
            logs::run(&options, &mut view)
        }
        Command::SupportBundle(options) => {
            here(&client, "a support bundle")?;
            support::run(&client, &mut view, &options).await
        }
        Command::Secrets { command } => {
            here(&client, "keeping secrets")?;
            secrets::run(command, &mut view)
        }
        Command::Provision(options) => {
            here(&client, "provisioning")?;
            provision::run(&options, &mut view)
        }
        Command::Manuals(options) => {
            manuals::run::<Arguments>(&options)?;
            Ok(Verdict::Well)
        }
    }
}

/// Refuses what is about this machine and not about the daemon that `--url` names.
fn here(client: &Client, what: &'static str) -> Result<(), LocalError> {
    match client.target {
        Target::Socket(_) => Ok(()),
        Target::Http { .. } => Err(LocalError::HereOnly { what }),
    }
}

/// Where and how an answer is shown.
struct View<'a> {
    out: &'a mut dyn Write,
    zone: &'a TimeZone,
    json: bool,
}

impl View<'_> {
    /// A line as it is.
    fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_call_is_named_whole() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("frontdeskctl calls show CA0123456789abcdef0123456789abcdef").is_ok());
        let said = parse("frontdeskctl calls end CA01").unwrap_err().to_string();
        assert!(said.contains("32 hexadecimal digits"), "{said}");
        assert!(parse("frontdeskctl calls --limit 501").is_err());
        assert!(parse("frontdeskctl calls --active").is_ok());
        assert!(parse("frontdeskctl calls list --active --json").is_ok());
        assert!(parse("frontdeskctl --ca-file x status").is_err(), "only with --url");
    }
}
