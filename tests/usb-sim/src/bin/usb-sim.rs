//! A USB speakerphone in software, served over USB/IP: arguments, start, exit code.

use frontdesk_usb_sim::control::{self, HELP};
use frontdesk_usb_sim::server::{Options, Server};
use frontdesk_usb_sim::vhci::VHCI;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "\
A USB speakerphone in software: loudspeaker, microphone, buttons and lamps for a kernel that speaks USB/IP.

Usage: usb-sim [OPTION ...]
       usb-sim order [--control ADDRESS] WORD ...

Options:
  --listen ADDRESS     where USB/IP is served [127.0.0.1:3240]
  --control ADDRESS    where orders are taken [127.0.0.1:3241]
  --attach             plug the device into this computer's kernel, now and at every \"plug\"; needs root and
                       \"modprobe vhci-hcd\". Without it: usbip attach -r HOST -b 1-1
  --vhci DIR           the virtual USB controller for --attach [/sys/devices/platform/vhci_hcd.0]
  --id VID:PID         who the device says that it is [1209:0001]
  --vendor NAME        its maker's name [Frontdesk]
  --product NAME       its name, from which that of the sound card is made [Virtual Speakerphone]
  --serial TEXT        its serial number [SIM0001]
  --playback-only      it has no microphone
  --unplugged          it is plugged in later, by \"plug\"
  --mutes-itself       it mutes its own microphone while its mute lamp is lit; else that is left to the host
  --clock FACTOR       how fast the bus runs against the computer's clock [1]
  --catch-up MS        how late the host may be before frames are lost, as they are on a real bus [1000]
  -h, --help           this text
  -V, --version        the version

A port of 0 takes a free one; the first line on the standard output says which: usb=ADDRESS control=ADDRESS.
\"usb-sim order\" sends one order, prints the answer, and fails when the order failed. The orders:

";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("order") => order(&arguments[1..]),
        _ => parse(&arguments).and_then(|it| it.map_or(Ok(()), serve)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, text }) => {
            // Nowhere to complain is no reason to fail in another way.
            let _ = writeln!(io::stderr(), "usb-sim: {text}");
            ExitCode::from(code)
        }
    }
}

/// The exit code, and why: 2 for arguments, 1 for everything else.
struct Failure {
    code: u8,
    text: String,
}

fn misused<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { code: 2, text: format!("{}; \"usb-sim --help\" lists what there is", text.into()) })
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { code: 1, text: error.to_string() }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

fn serve(options: Options) -> Result<(), Failure> {
    let server = Server::bind(options).map_err(failed)?;
    let (usb, control) = (server.usb_address().map_err(failed)?, server.control_address().map_err(failed)?);
    print(&format!("usb={usb} control={control}\n"))?;
    server.run();
    Ok(())
}

/// What the arguments ask for; `None` when they only wanted to read.
fn parse(arguments: &[String]) -> Result<Option<Options>, Failure> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 3240)),
        control: SocketAddr::from(([127, 0, 0, 1], 3241)),
        model: frontdesk_usb_sim::descriptors::Model::default(),
        clock: 1.0,
        patience: Duration::from_secs(1),
        mutes_itself: false,
        plugged: true,
        vhci: None,
    };
    let mut attaches = false;
    let mut directory = VHCI.to_owned();
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().cloned().map_or_else(|| misused(format!("{option} needs a value")), Ok);
        let identity = &mut options.model.identity;
        match option.as_str() {
            "-h" | "--help" => return print(&format!("{USAGE}{HELP}\n")).map(|()| None),
            "-V" | "--version" => return print(concat!("usb-sim ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| None),
            "--listen" => options.listen = parsed(option, &value()?)?,
            "--control" => options.control = parsed(option, &value()?)?,
            "--attach" => attaches = true,
            "--vhci" => directory = value()?,
            "--id" => {
                let ids = control::parse_ids(&value()?).or_else(|error| misused(error.to_string()))?;
                (identity.vendor_id, identity.product_id) = ids;
            }
            "--vendor" => identity.vendor = value()?,
            "--product" => identity.product = value()?,
            "--serial" => identity.serial = value()?,
            "--playback-only" => options.model.has_microphone = false,
            "--unplugged" => options.plugged = false,
            "--mutes-itself" => options.mutes_itself = true,
            "--clock" => options.clock = within(option, parsed(option, &value()?)?, 0.5, 2.0)?,
            "--catch-up" => {
                let ms: f64 = within(option, parsed(option, &value()?)?, 0.0, 60_000.0)?;
                options.patience = Duration::from_secs_f64(ms / 1000.0);
            }
            _ => return misused(format!("there is no option {option:?}")),
        }
    }
    options.vhci = attaches.then(|| directory.into());
    Ok(Some(options))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(option: &str, text: &str) -> Result<T, Failure> {
    text.parse().or_else(|error| misused(format!("{option} {text:?}: {error}")))
}

fn within(option: &str, value: f64, least: f64, most: f64) -> Result<f64, Failure> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    misused(format!("{option} {value}: a number from {least} to {most} would do"))
}

/// Sends one order to a usb-sim that runs.
fn order(words: &[String]) -> Result<(), Failure> {
    let (address, words) = match words {
        [option, address, rest @ ..] if option == "--control" => (parsed(option, address)?, rest),
        words => (SocketAddr::from(([127, 0, 0, 1], 3241)), words),
    };
    let quoted: Vec<String> = words
        .iter()
        .map(|word| if word.is_empty() || word.contains(' ') { format!("\"{word}\"") } else { word.clone() })
        .collect();
    if quoted.is_empty() {
        return misused("which order?");
    }
    let mut client = frontdesk_usb_sim::Client::connect(address).map_err(failed)?;
    let (lines, summary) = client.order_patiently(&quoted.join(" ")).map_err(failed)?;
    for line in lines {
        print(&format!("{line}\n"))?;
    }
    print(&if summary.is_empty() { "ok\n".to_owned() } else { format!("ok {summary}\n") })
}
