//! Base64, in which tools that know nothing of OTLP's and Jaeger's exception write ids.

/// The bytes of a text in the standard alphabet or the one for addresses, padded or not.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut n_bits) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(six);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((held >> n_bits) as u8);
        }
    }
    Some(bytes)
}
/// Bytes in the standard alphabet, padded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let held = three.iter().fold(0u32, |held, byte| (held << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for nth in 0..4 {
            let six = (held >> (18 - 6 * nth)) & 63;
            text.push(if nth <= three.len() { ALPHABET[six as usize] as char } else { '=' });
        }
    }
    text
}
