//! What is written into the cluster.

use real_crds::cell::CellConfig;

use super::situation::Situation;
use crate::labels;
use crate::sweep::cell_job::CELL;

#[test]
fn a_cell_is_an_indexed_job_that_carries_its_configuration() {
    let case = Situation::ready().edited(|spec| spec.suites[0].shards = 3).labelled(labels::KUEUE_QUEUE, "gpu");
    let plan = case.plan();
    let mut body = plan.create[1].body.clone();
    let annotations = &mut body["spec"]["template"]["metadata"]["annotations"];
    let config: CellConfig = serde_json::from_str(annotations[CELL].take().as_str().unwrap()).unwrap();
    assert_eq!(config.cell, plan.create[1].name);
    insta::assert_yaml_snapshot!("manifests_job", body);
    insta::assert_yaml_snapshot!("manifests_config", config);
    let others: Vec<_> = plan.apply.iter().map(|child| &child.body).collect();
    insta::assert_yaml_snapshot!("manifests_others", others);
}
