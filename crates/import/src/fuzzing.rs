//! What has to hold for any bytes that claim to be another system's file.

use crate::{Format, Imported, Options, Source, import};

/// Imports any bytes as every format: no panic, places inside the file, the same answer twice, and what is written
/// checks without errors.
pub fn import_any(data: &[u8]) {
    let source = Source {
        path: "fuzz.yaml".into(),
        bytes: data.to_vec(),
    };
    for format in Format::ALL {
        let sources = std::slice::from_ref(&source);
        let imported = import(format, sources, &Options::default());
        check(&imported, data);
        let again = import(format, sources, &Options::default());
        assert_eq!(again.findings, imported.findings);
        assert_eq!(again.files, imported.files);
    }
}

fn check(imported: &Imported, data: &[u8]) {
    let lines = data.split(|b| *b == b'\n').count();
    for finding in &imported.findings {
        let made = finding
            .message
            .starts_with("what was made of it does not check");
        assert!(!made, "{finding}");
        assert!(finding.column >= 1, "{finding}");
        assert!(
            (1..=lines + 1).contains(&(finding.line as usize)),
            "{finding}"
        );
    }
    assert!(!imported.refused() || imported.files.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &[&str] = &[
        include_str!("../tests/import/fixtures/prometheus/alerts.yml"),
        include_str!("../tests/import/fixtures/prometheus/tests.yml"),
        include_str!("../tests/import/fixtures/alertmanager/routes.yml"),
        include_str!("../tests/import/fixtures/objectives/all.yml"),
    ];

    /// A small generator (xorshift64*), so that every run is the same.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
        }
    }

    #[test]
    fn changed_files_keep_the_promises() {
        let pieces: [&[u8]; 16] = [
            b"\n",
            b"\n  ",
            b"\"",
            b"{{",
            b"}}",
            b"[",
            b"{",
            b"\t",
            b"*texts",
            b"#",
            b"\xff",
            b"\xe2\x80\x8b",
            b"5m",
            b"- ",
            b"|",
            b": ",
        ];
        let mut random = Random(0x5eed);
        for sample in SAMPLES {
            import_any(sample.as_bytes());
            for _ in 0..400 {
                let mut data = sample.as_bytes().to_vec();
                for _ in 0..=random.below(4) {
                    let at = random.below(data.len());
                    match random.below(4) {
                        0 => data[at] = random.below(256) as u8,
                        1 => drop(data.drain(at..(at + random.below(20)).min(data.len()))),
                        2 => drop(
                            data.splice(at..at, pieces[random.below(pieces.len())].iter().copied()),
                        ),
                        _ => {
                            let end = (at + random.below(60)).min(data.len());
                            let copied = data[at..end].to_vec();
                            let to = random.below(data.len());
                            data.splice(to..to, copied);
                        }
                    }
                    data.push(b'\n');
                }
                import_any(&data);
            }
        }
    }
}
