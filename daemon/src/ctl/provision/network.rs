//! The network: what a technician writes, and `NetworkManager`'s keyfile (nm-settings-keyfile(5)) that it becomes.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::table::Table;
use crate::config::Complaint;

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Network {
    wifi: Option<Wifi>,
    ipv4: Option<Addresses>,
    ipv6: Option<Addresses>,
    /// ISO 3166, two capitals.
    pub(super) country: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Wifi {
    ssid: String,
    psk: Option<String>,
    hidden: bool,
}

/// Without the pass phrase.
impl std::fmt::Debug for Wifi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wifi({:?})", self.ssid)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Addresses {
    /// With its prefix's length.
    address: String,
    gateway: Option<IpAddr>,
    dns: Vec<IpAddr>,
}

impl Network {
    /// Reads the table; complains of what will not do.
    pub(super) fn read(mut table: Table, out: &mut Vec<Complaint>) -> Self {
        let mut country = None;
        let wifi = table.table("wifi", out).and_then(|mut wifi| {
            let missing = wifi.complain(None, "ssid", "is missing", "write the network's name");
            let ssid = wifi.text("ssid", ssid, out);
            let psk = wifi.text("psk", psk, out);
            let hidden = wifi.truth("hidden", out);
            country = wifi.text("country", self::country, out);
            wifi.finish(out);
            // It is complained of once: a name that will not do has been told.
            if ssid.is_none() && out.is_empty() {
                out.push(missing);
            }
            Some(Wifi { ssid: ssid?, psk, hidden })
        });
        let (ipv4, ipv6) = (addresses(&mut table, "ipv4", true, out), addresses(&mut table, "ipv6", false, out));
        table.finish(out);
        Self { wifi, ipv4, ipv6, country }
    }

    /// Whether it holds a secret.
    pub(super) fn has_secret(&self) -> bool {
        self.wifi.as_ref().is_some_and(|wifi| wifi.psk.is_some())
    }

    /// `NetworkManager`'s file.
    pub(super) fn keyfile(&self) -> String {
        let kind = if self.wifi.is_some() { "wifi" } else { "ethernet" };
        // Before what the system makes for itself.
        let mut text = format!(
            "# Written by frontdeskctl provision.\n[connection]\nid=frontdesk\ntype={kind}\nautoconnect-priority=10\n"
        );
        if let Some(Wifi { ssid, psk, hidden }) = &self.wifi {
            // Power saving costs a tenth of a second now and then, which is heard.
            let _ = write!(text, "\n[wifi]\nmode=infrastructure\nssid={}\npowersave=2\n", bytes(ssid));
            if *hidden {
                text.push_str("hidden=true\n");
            }
            if let Some(psk) = psk {
                let _ = write!(text, "\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={}\n", escaped(psk));
            }
        }
        for (section, addresses) in [("ipv4", &self.ipv4), ("ipv6", &self.ipv6)] {
            let _ = write!(text, "\n[{section}]\n");
            let Some(Addresses { address, gateway, dns }) = addresses else {
                text.push_str("method=auto\n");
                continue;
            };
            let gateway = gateway.map(|gateway| format!(",{gateway}")).unwrap_or_default();
            let _ = write!(text, "method=manual\naddress1={address}{gateway}\n");
            if !dns.is_empty() {
                let list: Vec<String> = dns.iter().map(IpAddr::to_string).collect();
                let _ = writeln!(text, "dns={};", list.join(";"));
            }
        }
        text
    }
}

fn addresses(table: &mut Table, key: &'static str, v4: bool, out: &mut Vec<Complaint>) -> Option<Addresses> {
    let mut section = table.table(key, out)?;
    let before = out.len();
    let missing =
        section.complain(None, "address", "is missing", "write it with its prefix, such as \"192.168.1.20/24\"");
    let address = section.text("address", |text| prefixed(text, v4), out);
    let gateway = section.text("gateway", |text| ip(text, v4), out);
    let dns = section.texts("dns", |text| ip(text, v4), out);
    section.finish(out);
    if address.is_none() && out.len() == before {
        out.push(missing);
    }
    Some(Addresses { address: address?, gateway, dns })
}

fn ip(text: &str, v4: bool) -> Result<IpAddr, &'static str> {
    let remedy =
        if v4 { "write an address such as \"192.168.1.1\"" } else { "write an address such as \"2001:db8::1\"" };
    text.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == v4).ok_or(remedy)
}

fn prefixed(text: &str, v4: bool) -> Result<String, &'static str> {
    let remedy =
        if v4 { "write it with its prefix, such as \"192.168.1.20/24\"" } else { "write it as \"2001:db8::20/64\"" };
    let (address, length) = text.split_once('/').ok_or(remedy)?;
    let address = ip(address, v4).map_err(|_| remedy)?;
    let length: u8 = length.parse().map_err(|_| remedy)?;
    if length == 0 || length > if v4 { 32 } else { 128 } { Err(remedy) } else { Ok(format!("{address}/{length}")) }
}

fn ssid(text: &str) -> Result<String, &'static str> {
    if (1..=32).contains(&text.len()) { Ok(text.to_owned()) } else { Err("a network's name has 1 to 32 bytes") }
}

fn psk(text: &str) -> Result<String, &'static str> {
    let is_phrase = (8..=63).contains(&text.len()) && text.bytes().all(|b| (32..127).contains(&b));
    let is_key = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_phrase || is_key {
        Ok(text.to_owned())
    } else {
        Err("a pass phrase has 8 to 63 letters without accents, digits and signs; a key 64 hexadecimal digits")
    }
}

fn country(text: &str) -> Result<String, &'static str> {
    let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    if fits { Ok(text.to_owned()) } else { Err("write two capitals of ISO 3166, such as \"DE\"") }
}

/// A name as its bytes: the only form in which none has a second meaning.
fn bytes(text: &str) -> String {
    text.bytes().fold(String::new(), |mut list, byte| {
        let _ = write!(list, "{byte};");
        list
    })
}

/// As `GLib`'s key files want it.
fn escaped(text: &str) -> String {
    let inner = text.replace('\\', "\\\\");
    let spaces = inner.len() - inner.trim_start_matches(' ').len();
    format!("{}{}", "\\s".repeat(spaces), &inner[spaces..])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> (Network, Vec<String>) {
        let mut out = Vec::new();
        let table = Table::parse(Path::new("network.toml"), text, &mut out);
        let network = Network::read(table, &mut out);
        (network, out.iter().map(Complaint::to_string).collect())
    }

    #[test]
    fn a_wireless_network_with_addresses_of_its_own() {
        let (network, complaints) = read(
            r#"
            wifi = { ssid = "Öl;1", psk = '  back\slash', country = "DE" }
            [ipv4]
            address = "192.168.1.20/24"
            gateway = "192.168.1.1"
            dns = ["192.168.1.1", "9.9.9.9"]
            "#,
        );
        assert_eq!(complaints, [""; 0]);
        assert_eq!(network.country.as_deref(), Some("DE"));
        assert!(network.has_secret() && !format!("{network:?}").contains("slash"));
        assert_eq!(
            network.keyfile(),
            "# Written by frontdeskctl provision.\n[connection]\nid=frontdesk\ntype=wifi\nautoconnect-priority=10\n\n\
             [wifi]\nmode=infrastructure\nssid=195;150;108;59;49;\npowersave=2\n\n\
             [wifi-security]\nkey-mgmt=wpa-psk\npsk=\\s\\sback\\\\slash\n\n\
             [ipv4]\nmethod=manual\naddress1=192.168.1.20/24,192.168.1.1\ndns=192.168.1.1;9.9.9.9;\n\n\
             [ipv6]\nmethod=auto\n"
        );
    }

    #[test]
    fn a_cable_needs_nothing_else() {
        let (network, complaints) = read("[ipv6]\naddress = \"2001:db8::20/64\"\n");
        assert_eq!(complaints, [""; 0]);
        assert!(network.keyfile().contains("type=ethernet") && !network.has_secret());
        assert!(network.keyfile().contains("[ipv4]\nmethod=auto\n"));
    }

    #[test]
    fn what_will_not_do_is_told_with_its_line_and_never_repeated() {
        let (_, said) = read(
            "[wifi]\nssid = \"Clinic\"\npsk = \"hush\"\ncountry = \"Germany\"\n[ipv4]\naddress = \"192.168.1.20\"\n",
        );
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("network.toml:3: [wifi] psk will not do: a pass phrase"), "{said:?}");
        assert!(said[1].starts_with("network.toml:4: [wifi] country"), "{said:?}");
        assert!(said[2].starts_with("network.toml:6: [ipv4] address"), "{said:?}");
        assert!(!said[0].contains("hush"));
        let (_, said) = read("[wifi]\nsid = \"Clinic\"\n");
        assert!(
            said[0].starts_with("network.toml:2: [wifi] sid is unknown: the nearest known key is ssid"),
            "{said:?}"
        );
        let (_, said) = read("[wifi]\nhidden = true\n");
        assert!(said[0].contains("ssid is missing"), "{said:?}");
        let (_, said) = read("[wifi\n");
        assert!(said[0].starts_with("network.toml:1: is not TOML here"), "{said:?}");
    }
}
