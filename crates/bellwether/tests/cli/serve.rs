//! `bellwether serve`, as far as it ends by itself; `tests/system` has it run.

use expect_test::expect;

use crate::run::World;

#[test]
fn what_it_may_not_do_it_says_before_it_does_anything() {
    let world = World::new();
    let open = world.run(&["serve", "--listen", "0.0.0.0:0"]);
    expect![[r"
        exit 2
        ! bellwether: refusing to listen on 0.0.0.0:0: it is not a loopback address and requests are not authenticated; listen on 127.0.0.1, or say --insecure-no-auth
    "]].assert_eq(&open.to_string());
    let retention = world.run(&["serve", "--retention", "long"]);
    expect![[r"
        exit 2
        ! error: invalid value 'long' for '--retention <DURATION>': not a duration such as 90d
        ! 
        ! For more information, try '--help'.
    "]]
    .assert_eq(&retention.to_string());
    assert!(!world.path().join("bellwether-data").exists());
}
