use billctl_core::service::sts::CallerIdentity;

use super::replay::xml;

#[tokio::test]
async fn get_caller_identity() {
    let wire = xml(
        "GetCallerIdentity",
        "<Arn>arn:aws:sts::111122223333:assumed-role/Admin/jo</Arn>\
         <UserId>AROA:jo</UserId><Account>111122223333</Account>",
    );
    let identity = wire.services.sts.get_caller_identity().await.unwrap();
    wire.sent_form("GetCallerIdentity", &[]);
    let expected = CallerIdentity {
        account: "111122223333".parse().unwrap(),
        arn: "arn:aws:sts::111122223333:assumed-role/Admin/jo".parse().unwrap(),
    };
    assert_eq!(identity, expected);
}

#[tokio::test]
async fn an_answer_without_an_account_is_refused() {
    let wire = xml("GetCallerIdentity", "<Arn>arn:aws:iam::111122223333:root</Arn>");
    let error = wire.services.sts.get_caller_identity().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sts:GetCallerIdentity got an answer that can't be used: the answer lacks Account"
    );
}
