//! `twilio-sim sign`: signatures for whoever wants to compare.

use std::fs;

use anyhow::Context;
use frontdesk_twilio_sim::sign::{Algorithm, signature_with};
use serde::{Deserialize, Serialize};

use crate::{
    args::{SignArgs, pairs},
    say,
};

/// A request to sign, and afterwards its signature.
#[derive(Debug, Deserialize, Serialize)]
struct Vector {
    id: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    url: String,
    params: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    signature: String,
}

pub(crate) fn run(args: &SignArgs) -> anyhow::Result<bool> {
    let Some(file) = &args.vectors else {
        let algorithm = if args.sha256 { Algorithm::HmacSha256 } else { Algorithm::HmacSha1 };
        let url = args.url.as_deref().unwrap_or_default();
        say(&signature_with(algorithm, &args.token, url, &pairs(&args.params)?));
        return Ok(true);
    };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let vectors: Vec<Vector> = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    let mut all_match = true;
    for mut vector in vectors {
        let algorithm = match vector.alg.as_deref() {
            Some("HMAC_SHA256") => Algorithm::HmacSha256,
            _ => Algorithm::HmacSha1,
        };
        let ours = signature_with(algorithm, &vector.token, &vector.url, &vector.params);
        all_match &= ours == vector.signature;
        vector.signature = ours;
        say(&serde_json::to_string(&vector)?);
    }
    Ok(all_match)
}
