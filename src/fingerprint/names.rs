//! Lists and looks of names: which words are host names, file names, keys, users. Bytes in, verdict out.

/// What a dotted name of three and more parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dotted {
    /// `cache.prod.example`
    Host,
    /// A class or bundle: `com.example.Worker`.
    Class,
}

/// Longest word of a [`WordSet`], bytes.
const SET_WORD_MAX: usize = 15;

/// A list of lower-case words that is asked for every key of a message.
struct WordSet<const N: usize> {
    words: [&'static [u8]; N],
    /// For each length, the first letters (bit 0 is `a`) of words that long: most keys are in no list, and need not be compared.
    letters: [u32; SET_WORD_MAX + 1],
}

impl<const N: usize> WordSet<N> {
    const fn new(words: [&'static [u8]; N]) -> Self {
        let mut letters = [0; SET_WORD_MAX + 1];
        let mut i = 0;
        while i < N {
            letters[words[i].len()] |= 1 << (words[i][0] - b'a');
            i += 1;
        }
        Self { words, letters }
    }

    /// Whether the word is one of them, in whatever case.
    fn has(&self, word: &[u8]) -> bool {
        let (Some(letters), Some(&first)) = (self.letters.get(word.len()), word.first()) else { return false };
        let letter = (first | 0x20).wrapping_sub(b'a');
        letter < 26 && letters >> letter & 1 != 0 && self.words.iter().any(|known| word.eq_ignore_ascii_case(known))
    }
}

/// Endings by which a name of two parts is a host.
const TOP_LEVEL: [&[u8]; 16] = [
    b"com",
    b"net",
    b"org",
    b"io",
    b"edu",
    b"gov",
    b"local",
    b"internal",
    b"svc",
    b"lan",
    b"corp",
    b"cloud",
    b"example",
    b"invalid",
    b"localdomain",
    b"dev",
];

/// Endings of files that are data to a program, not parts of it: which one it is does not change the event.
const DATA_FILES: [&[u8]; 34] = [
    b"exe",
    b"dll",
    b"sys",
    b"log",
    b"tmp",
    b"temp",
    b"gz",
    b"zip",
    b"tar",
    b"tgz",
    b"bz2",
    b"xz",
    b"jar",
    b"war",
    b"xml",
    b"txt",
    b"csv",
    b"pdf",
    b"jpg",
    b"jpeg",
    b"png",
    b"gif",
    b"json",
    b"yaml",
    b"yml",
    b"conf",
    b"cfg",
    b"ini",
    b"properties",
    b"plist",
    b"dat",
    b"bak",
    b"mum",
    b"html",
];

/// The kind of a dotted name, or `None` when it is none or is an exception, whose class is the story.
pub(super) fn dotted(name: &[u8]) -> Option<Dotted> {
    if !name.contains(&b'.') {
        return None;
    }
    let mut dots = 0;
    let mut last = &name[..0];
    for part in name.split(|&byte| byte == b'.') {
        if part.is_empty() || part[0] == b'-' {
            return None;
        }
        dots += 1;
        last = part;
    }
    if dots == 2 {
        let is_host = name[0].is_ascii_lowercase() && !name.contains(&b'_') && TOP_LEVEL.contains(&last);
        return is_host.then_some(Dotted::Host);
    }
    // `com.example.action.SCREEN_ON`: a constant says what happened, an exception what went wrong.
    let is_constant = last.len() > 1 && last.iter().all(|&byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_constant || is_exception(last) {
        return None;
    }
    Some(if last[0].is_ascii_uppercase() { Dotted::Class } else { Dotted::Host })
}

/// A class name that says what went wrong.
pub(super) fn is_exception(class: &[u8]) -> bool {
    [&b"Exception"[..], b"Error", b"Throwable", b"Failure", b"Fault", b"Timeout", b"Interrupt", b"Interrupted"].iter().any(|end| class.ends_with(end))
}

/// `report.csv`: a file name without a directory.
pub(super) fn is_data_file(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else { return false };
    let ending = &name[dot + 1..];
    let mut lower = [0u8; 10];
    if dot == 0 || ending.is_empty() || ending.len() > lower.len() {
        return false;
    }
    for (to, from) in lower.iter_mut().zip(ending) {
        *to = from.to_ascii_lowercase();
    }
    DATA_FILES.contains(&&lower[..ending.len()])
}

/// Nothing but `a`-`f`, all of one case.
pub(super) fn is_hex_word(name: &[u8]) -> bool {
    name.iter().all(|byte| matches!(byte, b'a'..=b'f')) || name.iter().all(|byte| matches!(byte, b'A'..=b'F'))
}

/// Could stand before a port: lower case, dots, dashes.
pub(super) fn is_host_like(name: &[u8]) -> bool {
    name.len() >= 2 && name.iter().all(|&byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.' | b'_'))
}

/// Words before the name of a server.
pub(super) fn is_place_word(word: &[u8]) -> bool {
    static WORDS: WordSet<20> = WordSet::new([
        b"to",
        b"from",
        b"at",
        b"with",
        b"host",
        b"server",
        b"broker",
        b"node",
        b"via",
        b"tcp",
        b"upstream",
        b"peer",
        b"on",
        b"endpoint",
        b"address",
        b"proxy",
        b"connecting",
        b"connect",
        b"dial",
        b"remote",
    ]);
    WORDS.has(word)
}

/// Words behind `user` that are no name.
pub(super) fn is_never_a_user(word: &[u8]) -> bool {
    static WORDS: WordSet<24> = WordSet::new([
        b"is",
        b"was",
        b"not",
        b"has",
        b"name",
        b"id",
        b"logged",
        b"login",
        b"agent",
        b"account",
        b"data",
        b"session",
        b"input",
        b"request",
        b"error",
        b"does",
        b"with",
        b"for",
        b"from",
        b"by",
        b"and",
        b"or",
        b"space",
        b"authentication",
    ]);
    WORDS.has(word)
}

/// Keys whose value says who or where, never what.
pub(super) fn is_identity_key(key: &[u8]) -> bool {
    static KEYS: WordSet<36> = WordSet::new([
        b"user",
        b"uid",
        b"euid",
        b"gid",
        b"pid",
        b"tid",
        b"username",
        b"user_id",
        b"userid",
        b"logname",
        b"ruser",
        b"rhost",
        b"host",
        b"hostname",
        b"ip",
        b"addr",
        b"address",
        b"client",
        b"peer",
        b"remote",
        b"id",
        b"request_id",
        b"requestid",
        b"trace_id",
        b"traceid",
        b"span_id",
        b"session",
        b"session_id",
        b"path",
        b"file",
        b"filename",
        b"url",
        b"uri",
        b"pod",
        b"node",
        b"acct",
    ]);
    KEYS.has(key)
}

/// Accounts that every system has. Under `user=` they are a role, not a person: an attack on root is its own story.
pub(super) fn is_built_in_account(name: &[u8]) -> bool {
    [&b"root"[..], b"guest", b"test", b"admin", b"administrator", b"nobody", b"anonymous", b"system"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Keys whose value says what went wrong: it is masked like a message, not hidden.
pub(super) fn is_error_key(key: &[u8]) -> bool {
    static KEYS: WordSet<16> = WordSet::new([
        b"err",
        b"error",
        b"reason",
        b"cause",
        b"msg",
        b"message",
        b"exception",
        b"level",
        b"severity",
        b"op",
        b"event",
        b"state",
        b"result",
        b"type",
        b"kind",
        b"method",
    ]);
    KEYS.has(key)
}

pub(super) fn is_weekday(word: &[u8]) -> bool {
    [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"].iter().any(|day| word == *day)
}

pub(super) fn is_month(word: &[u8]) -> bool {
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"].iter().any(|month| word == *month)
}
