//! The notice of a document: the message by which a node tells its peers that it wrote one.
//!
//! ```text
//! "At" · version 1 · flags 2 · node u64 · the document's name, 1 to 256 bytes of UTF-8
//! ```

use super::{codec::Malformed, report::NodeId};

/// Longest name of a document, bytes.
pub const MAX_NAME_BYTES: usize = 256;

const HEADER: [u8; 4] = *b"At\x01\x02";

/// The notice that `node` wrote the document of that name.
///
/// ```
/// use atrion::replication::{NodeId, notice};
///
/// assert_eq!(notice::decode(&notice::encode(NodeId(7), "bans")), Some(Ok((NodeId(7), "bans"))));
/// ```
#[must_use]
pub fn encode(node: NodeId, name: &str) -> Vec<u8> {
    [&HEADER[..], &node.0.to_le_bytes(), name.as_bytes()].concat()
}

/// The notice in a message; None where it is another message.
///
/// # Errors
///
/// [`Malformed`]: why it is dropped.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Result<(NodeId, &str), Malformed>> {
    Some(parse(bytes.strip_prefix(&HEADER)?))
}

fn parse(bytes: &[u8]) -> Result<(NodeId, &str), Malformed> {
    let (node, name) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    match name.len() {
        0 => Err(Malformed::Truncated),
        1..=MAX_NAME_BYTES => {
            let name = std::str::from_utf8(name).map_err(|_| Malformed::Foreign)?;
            Ok((NodeId(u64::from_le_bytes(*node)), name))
        }
        _ => Err(Malformed::Trailing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_taken_whole_or_not_at_all() {
        let notice = encode(NodeId(7), "bans");
        for length in 4..notice.len() - 3 {
            assert_eq!(decode(&notice[..length]), Some(Err(Malformed::Truncated)), "{length} bytes");
        }
        assert_eq!(decode(&encode(NodeId(7), &"x".repeat(257))), Some(Err(Malformed::Trailing)));
        assert_eq!(decode(&[&encode(NodeId(7), "x")[..], &[0xff]].concat()), Some(Err(Malformed::Foreign)));
        assert_eq!(decode(&super::super::greeting(NodeId(7))), None);
        assert_eq!(decode(b"At"), None);
    }
}
