//! IP packets, taken apart and put together.

/// IPv4 or IPv6, as the first bits tell.
pub(crate) fn is_v6(ip: &[u8]) -> bool {
    ip[0] >> 4 == 6
}

/// The number of the protocol, of a packet without extension headers.
pub(crate) fn protocol(ip: &[u8]) -> u8 {
    if is_v6(ip) { ip[6] } else { ip[9] }
}

/// What follows the IP header.
pub(crate) fn payload(ip: &[u8]) -> &[u8] {
    if is_v6(ip) { &ip[40..] } else { &ip[20..] }
}

/// Source and destination, 4 or 16 bytes each.
pub(crate) fn addresses(ip: &[u8]) -> [&[u8]; 2] {
    if is_v6(ip) { [&ip[8..24], &ip[24..40]] } else { [&ip[12..16], &ip[16..20]] }
}

/// Source and destination port.
pub(crate) fn ports(ip: &[u8]) -> [[u8; 2]; 2] {
    let upper = payload(ip);
    [[upper[0], upper[1]], [upper[2], upper[3]]]
}

/// What follows the UDP header.
pub(crate) fn datagram(ip: &[u8]) -> &[u8] {
    &payload(ip)[8..]
}

/// The same packet with another payload.
pub(crate) fn with_payload(ip: &[u8], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = if is_v6(ip) { 40 } else { 20 };
    let mut packet = [&ip[..header], payload].concat();
    if is_v6(ip) {
        packet[6] = protocol;
        packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    } else {
        packet[9] = protocol;
        packet[2..4].copy_from_slice(&(payload.len() as u16 + 20).to_be_bytes());
    }
    packet
}

/// A packet between the ends of a tunnel, 203.0.113.1 and 203.0.113.2.
pub(crate) fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 0, 0x43, 0x21, 0, 0, 64, protocol, 0, 0];
    ip.extend([203, 0, 113, 1, 203, 0, 113, 2]);
    with_payload(&ip, protocol, payload)
}

/// The same between 2001:db8:ffff::1 and ::2.
pub(crate) fn outer_v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut address = [0_u8; 16];
    address[..6].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff]);
    let ends = [1, 2].map(|last| {
        address[15] = last;
        address
    });
    let ip = [&[0x60, 0, 0, 0, 0, 0, protocol, 64], ends.as_flattened()].concat();
    with_payload(&ip, protocol, payload)
}

/// A datagram from port 40000.
pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let fields = [40_000, port, payload.len() as u16 + 8, 0].map(u16::to_be_bytes);
    [fields.as_flattened(), payload].concat()
}

/// The pieces of a packet, in order; what is too small to be cut stays whole.
pub(crate) fn fragments(ip: &[u8], size: usize) -> Vec<Vec<u8>> {
    assert!(size.is_multiple_of(8));
    let whole = payload(ip);
    if whole.len() <= size {
        return vec![ip.to_vec()];
    }
    // Packets with the same bytes are different packets.
    let id = whole.iter().fold(7_u32, |id, byte| id.wrapping_mul(31) + u32::from(*byte));
    let pieces = whole.chunks(size).enumerate();
    let piece = |(number, bytes): (usize, &[u8])| {
        let offset = number * size;
        let more = offset + bytes.len() < whole.len();
        if is_v6(ip) {
            let field = (offset as u16 | u16::from(more)).to_be_bytes();
            let header = [&[protocol(ip), 0][..], &field, &id.to_be_bytes()].concat();
            return with_payload(ip, 44, &[&header, bytes].concat());
        }
        let mut packet = with_payload(ip, protocol(ip), bytes);
        packet[4..6].copy_from_slice(&(id as u16).to_be_bytes());
        let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        packet[6..8].copy_from_slice(&field.to_be_bytes());
        packet
    };
    pieces.map(piece).collect()
}

/// A UDP datagram from port 5060 to port 5060, in IPv4.
pub(crate) fn sip(from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let udp = u16::try_from(8 + payload.len()).expect("a datagram").to_be_bytes();
    let ip = u16::try_from(28 + payload.len()).expect("a packet").to_be_bytes();
    let header = [0x45, 0, ip[0], ip[1], 0, 0, 0, 0, 64, 17, 0, 0];
    let port = 5060_u16.to_be_bytes();
    let ports = [port[0], port[1], port[0], port[1], udp[0], udp[1], 0, 0];
    [&header[..], &from, &to, &ports, payload].concat()
}
