//! The code page of names, and the names of locales.

/// The characters of code page 1252 at 0x80 to 0x9f.
const FROM_128: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Decodes text in code page 1252 ("ANSI"). Bytes without a character become the character of the
/// same number.
pub(crate) fn decode_1252(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            0x80..=0x9f => FROM_128[usize::from(byte - 0x80)],
            byte => char::from(*byte),
        })
        .collect()
}

/// Encodes `text` in code page 1252; `None` if that lacks one of the characters.
pub(crate) fn encode_1252(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| match u8::try_from(character) {
            Ok(byte) if !(0x80..=0x9f).contains(&byte) => Some(byte),
            _ => (0x80u8..)
                .zip(FROM_128)
                .find_map(|(byte, other)| (other == character).then_some(byte)),
        })
        .collect()
}

/// The name of a locale by its number, which databases before 2012 stored. The numbers 0 and 127
/// are the invariant locale.
///
/// An unknown number gives `lcid-` and the number.
pub(super) fn locale_name(lcid: u32) -> String {
    const NAMES: [(u16, &str); 57] = [
        (0x0000, ""),
        (0x007f, ""),
        (0x0401, "ar-SA"),
        (0x0402, "bg-BG"),
        (0x0403, "ca-ES"),
        (0x0404, "zh-TW"),
        (0x0405, "cs-CZ"),
        (0x0406, "da-DK"),
        (0x0407, "de-DE"),
        (0x0408, "el-GR"),
        (0x0409, "en-US"),
        (0x040a, "es-ES_tradnl"),
        (0x040b, "fi-FI"),
        (0x040c, "fr-FR"),
        (0x040d, "he-IL"),
        (0x040e, "hu-HU"),
        (0x040f, "is-IS"),
        (0x0410, "it-IT"),
        (0x0411, "ja-JP"),
        (0x0412, "ko-KR"),
        (0x0413, "nl-NL"),
        (0x0414, "nb-NO"),
        (0x0415, "pl-PL"),
        (0x0416, "pt-BR"),
        (0x0418, "ro-RO"),
        (0x0419, "ru-RU"),
        (0x041a, "hr-HR"),
        (0x041b, "sk-SK"),
        (0x041d, "sv-SE"),
        (0x041e, "th-TH"),
        (0x041f, "tr-TR"),
        (0x0420, "ur-PK"),
        (0x0421, "id-ID"),
        (0x0422, "uk-UA"),
        (0x0424, "sl-SI"),
        (0x0425, "et-EE"),
        (0x0426, "lv-LV"),
        (0x0427, "lt-LT"),
        (0x0429, "fa-IR"),
        (0x042a, "vi-VN"),
        (0x042d, "eu-ES"),
        (0x0439, "hi-IN"),
        (0x0804, "zh-CN"),
        (0x0807, "de-CH"),
        (0x0809, "en-GB"),
        (0x080a, "es-MX"),
        (0x080c, "fr-BE"),
        (0x0810, "it-CH"),
        (0x0813, "nl-BE"),
        (0x0816, "pt-PT"),
        (0x0c04, "zh-HK"),
        (0x0c07, "de-AT"),
        (0x0c09, "en-AU"),
        (0x0c0a, "es-ES"),
        (0x0c0c, "fr-CA"),
        (0x1009, "en-CA"),
        (0x100c, "fr-CH"),
    ];
    let known = NAMES.iter().find(|(number, _)| u32::from(*number) == lcid);
    match known {
        Some((_, name)) => (*name).to_owned(),
        None => format!("lcid-{lcid:#06x}"),
    }
}
