//! The classes of bytes that the grammars of RFC 9110 and RFC 3986 name, as tables: one load a byte.

/// `tchar`, RFC 9110 section 5.6.2: what methods, field names and chunk extension names are made of.
pub const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// What a registered name may hold (RFC 3986 section 3.2.2): unreserved and sub-delims, without the comma, which
/// two joined `Host` fields would bring in. A percent sign is not in it: its two digits have to be looked at.
pub(crate) const fn is_host(byte: u8) -> bool {
    HOST[byte as usize]
}

/// `field-vchar`, SP and HTAB, RFC 9110 section 5.5: what a field value may hold.
pub const fn is_field_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}

/// The value of a hexadecimal digit, `None` for any other byte.
pub(crate) const fn hexadecimal_digit(byte: u8) -> Option<u8> {
    match HEXADECIMAL[byte as usize] {
        NOT_HEXADECIMAL => None,
        value => Some(value),
    }
}

const NOT_HEXADECIMAL: u8 = 0xff;

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        table[index] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        index += 1;
    }
    table
};

static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        table[index] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b'+' | b';' | b'=');
        index += 1;
    }
    table
};

static HEXADECIMAL: [u8; 256] = {
    let mut table = [NOT_HEXADECIMAL; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        table[digit as usize] = value as u8;
        table[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables against the lists of the RFCs, written out.
    #[test]
    fn tables_hold_what_the_grammars_say() {
        let alphanumeric = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for byte in 0..=u8::MAX {
            let common = alphanumeric.contains(&byte);
            assert_eq!(is_token(byte), common || b"!#$%&'*+-.^_`|~".contains(&byte), "token {byte:#x}");
            assert_eq!(is_host(byte), common || b"-._~!$&'()*+;=".contains(&byte), "host {byte:#x}");
            let digit = (byte as char).to_digit(16).map(|value| value as u8);
            assert_eq!(hexadecimal_digit(byte), digit, "hexadecimal {byte:#x}");
        }
    }
}
