//! Checksums of IP, UDP, TCP, ICMP, SCTP and STUN, made anew for bytes that changed.

use std::net::IpAddr;

/// The Internet checksum (RFC 1071) of several parts, each of which begins at an even place.
pub(super) fn internet(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let (pairs, rest) = part.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        sum += rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The checksum of a segment or datagram whose checksum field is zero (RFC 9293, section 3.1; RFC
/// 8200, section 8.1). `covered` bytes of it count.
pub(super) fn transport(ends: (IpAddr, IpAddr), protocol: u8, bytes: &[u8], covered: usize) -> u16 {
    let length = (bytes.len() as u32).to_be_bytes();
    let tail = [length[0], length[1], length[2], length[3], 0, 0, 0, protocol];
    let covered = bytes.get(..covered).unwrap_or(bytes);
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            internet(&[&source.octets(), &destination.octets(), &tail, covered])
        }
        (source, destination) => {
            let octets = |address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            internet(&[&octets(source), &octets(destination), &tail, covered])
        }
    }
}

/// CRC-32C (RFC 9260, appendix A) of the parts, as SCTP has it.
pub(super) fn castagnoli(parts: &[&[u8]]) -> u32 {
    reflected(0x82f6_3b78, parts)
}

/// CRC-32 (ITU-T V.42) of the parts, as the fingerprint of STUN has it.
pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    reflected(0xedb8_8320, parts)
}

fn reflected(polynomial: u32, parts: &[&[u8]]) -> u32 {
    let step = |mut crc: u32, byte: u8| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
        }
        crc
    };
    !parts.iter().flat_map(|part| part.iter()).fold(u32::MAX, |crc, byte| step(crc, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // RFC 1071, section 3.
        assert_eq!(internet(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        assert_eq!(internet(&[&[1]]), !0x0100);
        assert_eq!(castagnoli(&[b"1234", b"56789"]), 0xe306_9283);
        assert_eq!(crc32(&[b"123456789"]), 0xcbf4_3926);
    }
}
