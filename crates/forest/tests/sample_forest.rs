//! The forest of a directory of the real engine, as its maker describes it.

use ese::Database;
use ese::recovery::{Options, recover};
use forest::{Kind, read};
use objects::ntds::Ntds;

#[test]
fn a_forest_is_read_as_its_maker_describes_it() {
    for name in ["sample-forest/clean", "sample-forest/dirty"] {
        let folder = testkit::find(name).expect("shipped").unpack();
        recover(Options::new(folder.path())).expect("recovery");
        let database = Database::open(folder.path().join("ntds.dit")).expect("open");
        let source = Ntds::over(database).expect("a directory");
        let forest = read(&source)
            .expect("readable")
            .expect("a domain controller");
        assert_eq!(forest.kind, Kind::Windows);
        assert_eq!(forest.name, "corp.example");
        assert_eq!(forest.configuration, "CN=Configuration,DC=corp,DC=example");
        assert_eq!(forest.tombstone_lifetime_days, 180);
        assert!(forest.recycle_bin_enabled);
        let domains: Vec<_> = (forest.domains.iter())
            .map(|domain| (domain.name.as_str(), domain.netbios_name.as_str()))
            .collect();
        assert_eq!(domains, [("corp.example", "CORP")]);
        assert!(forest.domains[0].details.is_some());
        let controllers: Vec<_> = (forest.controllers.iter())
            .map(|controller| (controller.name.as_str(), controller.domain.as_deref()))
            .collect();
        assert_eq!(controllers, [("DC01", Some("DC=corp,DC=example"))]);
    }
}
