//! Who we are by a key: NATS' Ed25519 keys ("nkeys") and the files that `nsc` writes with a JWT and a key in them.
//!
//! A key is base32 of a prefix, 32 bytes and their CRC-16 (XMODEM), as github.com/nats-io/nkeys says.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use secrecy::SecretString;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// First five bits of a seed (`S`) and of the key of a user (`U`).
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

/// A user's key, and the JWT that says what it may, if there is one.
pub(super) struct Credentials {
    key: Ed25519KeyPair,
    /// For servers whose users stand in JWTs.
    pub jwt: Option<SecretString>,
}

impl Credentials {
    /// Reads a `.creds` file, or one with nothing but the seed of a user's key.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let block = |name: &str| {
            let begin = text.lines().position(|line| line.starts_with("-----BEGIN") && line.contains(name))?;
            text.lines().nth(begin + 1).map(str::trim)
        };
        let seed = block("SEED").or_else(|| text.lines().map(str::trim).find(|line| line.starts_with("SU")));
        let seed = seed.ok_or("it holds no seed of a user's key (a line that begins with SU)")?;
        Ok(Self { key: key_of(seed)?, jwt: block("JWT").map(|jwt| SecretString::from(jwt.to_owned())) })
    }

    /// The public key as servers know it.
    pub fn public_key(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.key.public_key().as_ref());
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        base32(&bytes)
    }

    /// The signature of what a server wants signed.
    pub fn sign(&self, nonce: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(nonce.as_bytes()))
    }
}

fn key_of(seed: &str) -> Result<Ed25519KeyPair, &'static str> {
    let bytes = from_base32(seed).ok_or("the seed in it is no base32")?;
    let Some((head, crc)) = bytes.split_last_chunk::<2>() else { return Err("the seed in it is too short") };
    if head.len() != 34 || crc16(head) != u16::from_le_bytes(*crc) {
        return Err("the seed in it has a typing error");
    }
    // The kind of key stands across the first two bytes.
    if head[0] & 0xf8 != SEED || (head[0] & 7) << 5 | (head[1] & 0xf8) >> 3 != USER {
        return Err("the seed in it is not the one of a user's key");
    }
    Ed25519KeyPair::from_seed_unchecked(&head[2..]).map_err(|_| "the seed in it is of no use")
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(BASE32[(held >> bits & 31) as usize] as char);
        }
    }
    if bits > 0 {
        text.push(BASE32[(held << (5 - bits) & 31) as usize] as char);
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for sign in text.bytes() {
        held = held << 5 | u32::try_from(BASE32.iter().position(|known| *known == sign)?).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A seed made for tests: it opens nothing.
    pub(in super::super) fn seed(of: u8) -> String {
        let mut bytes = vec![SEED | USER >> 5, (USER & 31) << 3];
        bytes.extend_from_slice(&[of; 32]);
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        base32(&bytes)
    }

    #[test]
    fn the_check_sum_and_the_alphabet_are_the_usual_ones() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of CRC-16/XMODEM");
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI", "RFC 4648, 10");
        assert_eq!(from_base32("MZXW6YTBOI").unwrap(), b"foobar");
        assert_eq!(from_base32("mz1"), None);
    }

    #[test]
    fn a_key_signs_and_says_who_it_is() {
        let credentials = Credentials::read(&format!("{}\n", seed(7))).unwrap();
        let public = credentials.public_key();
        assert!(seed(7).starts_with("SU") && public.starts_with('U') && public.len() == 56, "{public}");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(credentials.sign("nonce")).unwrap();
        let bytes = from_base32(&public).unwrap();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &bytes[1..33]);
        assert!(key.verify(b"nonce", &signature).is_ok());
        assert!(credentials.jwt.is_none());
    }

    #[test]
    fn a_file_of_nsc_has_a_jwt_and_a_seed() {
        use secrecy::ExposeSecret;
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.e30.c2ln\n------END NATS USER JWT------\n\n***** IMPORTANT *****\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            seed(1)
        );
        let credentials = Credentials::read(&text).unwrap();
        assert_eq!(credentials.jwt.as_ref().unwrap().expose_secret(), "eyJ0.e30.c2ln");
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(Credentials::read(text).err(), Some(expected), "{text}");
    }

    #[test]
    fn a_file_that_is_of_no_use_says_why_without_what_is_secret() {
        check("nothing", "it holds no seed of a user's key (a line that begins with SU)");
        check("SU1", "the seed in it is no base32");
        check("SU", "the seed in it is too short");
        let mut wrong = seed(3);
        wrong.replace_range(10..11, if &wrong[10..11] == "A" { "B" } else { "A" });
        check(&wrong, "the seed in it has a typing error");
    }
}
