//! `disk`, `card`, `memory`, `temperature` and `journal`: the machine below it all.

use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::finding::{Finding, count};
use super::system::{self, NoWord, System};

const MB: u64 = 1_000_000;
/// The store needs room for some days of calls and for its copies.
const DISK_FULL: u64 = 50 * MB;
const DISK_LOW: u64 = 500 * MB;
const MEMORY_OUT: u64 = 48 * MB;
const MEMORY_LOW: u64 = 128 * MB;
/// A Raspberry Pi slows down from 80 °C on, and stops at 85.
const HOT: f64 = 84.0;
const WARM: f64 = 75.0;
/// More is worn out of the card than anybody reads.
const JOURNAL_LARGE: u64 = 1_000 * MB;

/// What is known of the disk that the store is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) folder: PathBuf,
    pub(super) free: u64,
    pub(super) inodes_free: Option<u64>,
    pub(super) read_only: bool,
}

/// Looks at the file system of `store`, or of the nearest folder above that there is.
pub(super) fn look_at_disk(store: &Path) -> Result<Disk, String> {
    let folder = store.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
    let disk = rustix::fs::statvfs(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Disk {
        folder,
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        // Some file systems count none.
        inodes_free: (disk.f_files > 0).then_some(disk.f_favail),
        read_only: disk.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

/// The check `disk`.
pub(super) fn judge_disk(disk: &Result<Disk, String>) -> Vec<Finding> {
    let Disk { folder, free, inodes_free, read_only } = match disk {
        Ok(disk) => disk,
        Err(why) => return vec![Finding::skipped_but(why, "sudo frontdeskctl doctor --only disk")],
    };
    let (place, megabytes) = (folder.display(), free / MB);
    let who = format!("sudo du -xh {place} | sort -h | tail -n 20; sudo journalctl --vacuum-size=100M");
    vec![if *read_only {
        let what = format!("the disk of {place} can only be read: calls are not recorded and nothing can be booked");
        Finding::wrong(what, format!("sudo dmesg | grep -iE 'ext4|mmc|i/o error'; sudo mount -o remount,rw {place}"))
    } else if *free < DISK_FULL {
        Finding::wrong(format!("the disk of {place} is full: {megabytes} MB are free"), who)
    } else if inodes_free.is_some_and(|free| free < 1_000) {
        Finding::wrong(format!("the disk of {place} takes no more files, though {megabytes} MB are free"), "sudo df -i")
    } else if *free < DISK_LOW {
        Finding::advice(format!("the disk of {place} is nearly full: {megabytes} MB are free"), who)
    } else {
        Finding::ok(format!("{megabytes} MB are free at {place}"))
    }]
}

/// How worn a memory card is, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Card {
    pub(super) name: String,
    /// The share of its life that is used, in steps of ten per cent, from 1; 11 is beyond. Two kinds of memory.
    pub(super) used: Vec<u8>,
    /// How many spare blocks are left: 1 enough, 2 few, 3 hardly any.
    pub(super) spare: Option<u8>,
}

/// What is known of cards and file systems.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cards {
    pub(super) cards: Vec<Card>,
    /// File systems that have recorded errors, and how many.
    pub(super) broken: Vec<(String, u64)>,
}

/// Reads what the kernel tells.
pub(super) fn look_at_cards(system: &System) -> Cards {
    let card = |name: String| {
        let device = format!("/sys/block/{name}/device");
        let used = system.read(&format!("{device}/life_time")).unwrap_or_default();
        let used = used.split_whitespace().filter_map(hexadecimal).filter(|&used| used > 0).collect();
        let spare = system.read(&format!("{device}/pre_eol_info")).ok().as_deref().and_then(hexadecimal);
        Card { name, used, spare: spare.filter(|&spare| spare > 0) }
    };
    // The card itself, not its parts (mmcblk0boot0).
    let is_card = |name: &String| {
        name.strip_prefix("mmcblk").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let cards = system.list("/sys/block").into_iter().filter(is_card).map(card).collect();
    let errors = |name: String| {
        let errors = system.number::<u64>(&format!("/sys/fs/ext4/{name}/errors_count"))?;
        (errors > 0).then_some((name, errors))
    };
    let broken = system.list("/sys/fs/ext4").into_iter().filter_map(errors).collect();
    Cards { cards, broken }
}

fn hexadecimal(text: &str) -> Option<u8> {
    u8::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// The check `card`.
pub(super) fn judge_cards(facts: &Cards) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, errors) in &facts.broken {
        let what = format!("the file system on {name} has recorded {}: the card may be dying", count(*errors, "error"));
        let fix = format!(
            "copy /var/lib/frontdesk/backups elsewhere, then: sudo e2fsck -f /dev/{name}  (not while it is mounted)"
        );
        findings.push(Finding::wrong(what, fix));
    }
    let mut told = false;
    for Card { name, used, spare } in &facts.cards {
        let replace = "copy /var/lib/frontdesk/backups elsewhere and flash a new card";
        let most = used.iter().max().copied();
        told |= most.is_some() || spare.is_some();
        let percent = |used: u8| u32::from(used) * 10;
        match (most, spare) {
            (Some(11..), _) | (_, Some(3)) => findings.push(Finding::wrong(format!("{name} is worn out"), replace)),
            (Some(used @ 9..), _) => {
                findings.push(Finding::advice(format!("{} % of the life of {name} is used", percent(used)), replace));
            }
            (_, Some(2)) => {
                findings.push(Finding::advice(format!("most spare blocks of {name} are used"), replace));
            }
            (Some(used), _) => {
                findings.push(Finding::ok(format!("at most {} % of the life of {name} is used", percent(used))));
            }
            (None, _) => {}
        }
    }
    if findings.is_empty() {
        findings.push(match (facts.cards.first(), told) {
            (None, _) => Finding::skipped("this machine has no memory card"),
            (Some(card), false) => {
                Finding::skipped(format!("{} does not tell how worn it is, as most SD cards", card.name))
            }
            (Some(_), true) => Finding::ok("enough spare blocks are left"),
        });
    }
    findings
}

/// What is known of the memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) available: u64,
    pub(super) total: u64,
    /// Programs that the kernel has ended for want of it, since the start.
    pub(super) killed: u64,
}

/// Reads `/proc/meminfo` and `/proc/vmstat`.
pub(super) fn look_at_memory(system: &System) -> Option<Memory> {
    let meminfo = system.read("/proc/meminfo").ok()?;
    let kilobytes = |key: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1_024)
    };
    let vmstat = system.read("/proc/vmstat").unwrap_or_default();
    let killed = vmstat.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    Some(Memory { available: kilobytes("MemAvailable")?, total: kilobytes("MemTotal")?, killed: killed.unwrap_or(0) })
}

/// The check `memory`.
pub(super) fn judge_memory(memory: Option<&Memory>) -> Vec<Finding> {
    let Some(Memory { available, total, killed }) = memory else {
        return vec![Finding::skipped("/proc/meminfo cannot be read")];
    };
    let (available, total) = (available / MB, total / MB);
    let who = "ps -eo rss,comm --sort=-rss | head; systemctl status frontdesk-kiosk";
    vec![if available < MEMORY_OUT / MB {
        Finding::wrong(format!("hardly any memory is left: {available} of {total} MB"), who)
    } else if *killed > 0 {
        let what = format!("{} ended for want of memory since the start", count_were(*killed));
        Finding::advice(what, "journalctl -k -b --grep='out of memory'")
    } else if available < MEMORY_LOW / MB {
        Finding::advice(format!("little memory is left: {available} of {total} MB"), who)
    } else {
        Finding::ok(format!("{available} of {total} MB are left"))
    }]
}

fn count_were(many: u64) -> String {
    if many == 1 { "1 program was".to_owned() } else { format!("{many} programs were") }
}

/// What is known of heat and power.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Heat {
    /// The hottest place, in °C.
    pub(super) celsius: Option<f64>,
    /// The firmware's word of a Raspberry Pi: what goes on in the lower half, what went on since the start in the upper.
    pub(super) throttled: Option<u32>,
}

/// Reads the kernel's thermal zones, and what the firmware of a Raspberry Pi tells.
pub(super) async fn look_at_heat(system: &System) -> Heat {
    let zone = |name: String| {
        let thousandths = system.number::<f64>(&format!("/sys/class/thermal/{name}/temp"))?;
        // A sensor that is broken says odd things.
        Some(thousandths / 1_000.0).filter(|celsius| (-40.0..200.0).contains(celsius))
    };
    let zones = system.list("/sys/class/thermal").into_iter().filter(|name| name.starts_with("thermal_zone"));
    let celsius = zones.filter_map(zone).reduce(f64::max);
    let told = match system.read("/sys/devices/platform/soc/soc:firmware/get_throttled") {
        Ok(told) => told,
        // `throttled=0x50000`
        Err(_) => system::ask("vcgencmd", &["get_throttled"]).await.unwrap_or_default(),
    };
    let bits = told.trim().trim_start_matches("throttled=").trim_start_matches("0x").to_owned();
    Heat { celsius, throttled: u32::from_str_radix(&bits, 16).ok() }
}

/// The check `temperature`.
pub(super) fn judge_heat(heat: &Heat) -> Vec<Finding> {
    let bit = |n: u32| heat.throttled.is_some_and(|bits| bits >> n & 1 == 1);
    let supply = "use the supply that was made for this board, and a short cable; then: vcgencmd get_throttled";
    let air = "give the box air, or a heat sink and a fan; then: frontdeskctl doctor --only temperature";
    let degrees = heat.celsius.map(|celsius| format!("{celsius:.0} °C")).unwrap_or_default();
    let mut findings = Vec::new();
    if bit(0) {
        findings.push(Finding::wrong("the power supply is too weak just now: USB devices drop out", supply));
    } else if bit(16) {
        findings.push(Finding::advice(
            "the power supply was too weak at times since the start: USB devices drop out",
            supply,
        ));
    }
    if heat.celsius.is_some_and(|celsius| celsius >= HOT) || bit(2) || bit(3) {
        findings.push(Finding::wrong(format!("the processor is too hot and slowed down ({degrees})"), air));
    } else if bit(18) || bit(19) {
        findings.push(Finding::advice(
            format!("the processor was slowed down for heat since the start ({degrees} now)"),
            air,
        ));
    } else if heat.celsius.is_some_and(|celsius| celsius >= WARM) {
        findings.push(Finding::advice(format!("the processor is hot ({degrees})"), air));
    }
    if findings.is_empty() {
        findings.push(match (heat.celsius, heat.throttled) {
            (None, None) => Finding::skipped("this machine tells no temperature"),
            (None, Some(_)) => Finding::ok("nothing is slowed down"),
            (Some(_), _) => Finding::ok(degrees),
        });
    }
    findings
}

/// How much the journal takes; in bytes.
pub(super) async fn look_at_journal() -> Result<u64, NoWord> {
    let said = system::ask("journalctl", &["--disk-usage"]).await?;
    journal_bytes(&said).ok_or_else(|| NoWord::Failed("it said something else".to_owned()))
}

/// `Archived and active journals take up 24.0M in the file system.`
fn journal_bytes(said: &str) -> Option<u64> {
    let size = said.split("take up ").nth(1)?.split_whitespace().next()?;
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &size[digits.len()..] {
        "" | "B" => 1.0,
        "K" => 1_024.0,
        "M" => 1_048_576.0,
        "G" => 1_073_741_824.0,
        _ => return None,
    };
    Some((digits.parse::<f64>().ok()? * unit) as u64)
}

/// The check `journal`.
pub(super) fn judge_journal(bytes: &Result<u64, NoWord>) -> Vec<Finding> {
    vec![match bytes {
        Err(why) => Finding::skipped(format!("journalctl: {why}")),
        Ok(bytes) if *bytes > JOURNAL_LARGE => Finding::advice(
            format!("the journal takes {} MB, and writing it wears the card", bytes / MB),
            "sudo journalctl --vacuum-size=200M  (and SystemMaxUse=200M in /etc/systemd/journald.conf)",
        ),
        Ok(bytes) => Finding::ok(format!("the journal takes {} MB", bytes / MB)),
    }]
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
