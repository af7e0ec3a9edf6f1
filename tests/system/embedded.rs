//! The example of the library does what its first lines say.

use std::process::Command;

use crate::support::binary;

#[test]
fn the_example_ends_with_its_alert() {
    let output = Command::new(binary::example("embedded"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "QueueLong: mail: 25 waiting {alertname=\"QueueLong\", queue=\"mail\", severity=\"warning\"}\n"
    );
}
