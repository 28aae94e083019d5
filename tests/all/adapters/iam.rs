use billctl_core::service::iam::{NewRole, Role, Simulation};
use serde_json::json;

use super::replay::{replay, xml, xml_answer};

const ROLE: &str = "<Role><Path>/</Path><RoleName>billctl-notifier</RoleName><RoleId>AROA1</RoleId>
    <Arn>arn:aws:iam::111111111111:role/billctl-notifier</Arn>
    <CreateDate>2026-03-01T00:00:00Z</CreateDate><Description>Mails</Description>
    <AssumeRolePolicyDocument>%7B%22Version%22%3A%20%222012-10-17%22%2C%20%22Statement%22%3A%5B%7B\
        %22Condition%22%3A%7B%22a%2Bb%22%3A%22100%25%22%7D%7D%5D%7D</AssumeRolePolicyDocument>
    <Tags><member><Key>made-by</Key><Value>billctl</Value></member></Tags></Role>";

fn arn(text: &str) -> billctl_core::model::Arn {
    text.parse().unwrap()
}

#[tokio::test]
async fn get_role_decodes_its_trust_policy() {
    let wire = xml("GetRole", ROLE);
    let role = wire.services.iam.get_role("billctl-notifier").await;
    wire.sent_form("GetRole", &[("RoleName", "billctl-notifier")]);
    let expected = Role {
        name: "billctl-notifier".into(),
        arn: arn("arn:aws:iam::111111111111:role/billctl-notifier"),
        trust_policy: json!({"Version": "2012-10-17", "Statement": [{"Condition": {"a+b": "100%"}}]}),
        description: "Mails".into(),
        tags: [("made-by".into(), "billctl".into())].into(),
        permissions_boundary: None,
    };
    assert_eq!(role, Ok(expected));
}

#[tokio::test]
async fn get_role_tells_its_permissions_boundary() {
    let bounded = ROLE.replace(
        "<Tags>",
        "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>
         <PermissionsBoundaryArn>arn:aws:iam::111111111111:policy/Boundary</PermissionsBoundaryArn>
         </PermissionsBoundary><Tags>",
    );
    let wire = xml("GetRole", &bounded);
    let role = wire.services.iam.get_role("billctl-notifier").await.unwrap();
    assert_eq!(
        role.permissions_boundary,
        Some(arn("arn:aws:iam::111111111111:policy/Boundary"))
    );
}

#[tokio::test]
async fn put_role_permissions_boundary() {
    let wire = xml("PutRolePermissionsBoundary", "");
    let policy = arn("arn:aws:iam::111111111111:policy/Boundary");
    let iam = &wire.services.iam;
    iam.put_role_permissions_boundary("r", &policy).await.unwrap();
    wire.sent_form(
        "PutRolePermissionsBoundary",
        &[("RoleName", "r"), ("PermissionsBoundary", policy.as_str())],
    );
}

#[tokio::test]
async fn create_role() {
    let wire = xml("CreateRole", ROLE);
    let role = NewRole {
        name: "billctl-notifier".into(),
        trust_policy: json!({"Version": "2012-10-17"}),
        description: "Mails".into(),
        tags: [("made-by".into(), "billctl".into())].into(),
        permissions_boundary: Some(arn("arn:aws:iam::111111111111:policy/Boundary")),
    };
    let made = wire.services.iam.create_role(&role).await;
    wire.sent_form(
        "CreateRole",
        &[
            ("RoleName", "billctl-notifier"),
            ("AssumeRolePolicyDocument", "{\"Version\":\"2012-10-17\"}"),
            ("Description", "Mails"),
            ("PermissionsBoundary", "arn:aws:iam::111111111111:policy/Boundary"),
            ("Tags.member.1.Key", "made-by"),
            ("Tags.member.1.Value", "billctl"),
        ],
    );
    assert_eq!(made, Ok(arn("arn:aws:iam::111111111111:role/billctl-notifier")));
}

#[tokio::test]
async fn update_trust_policy() {
    let wire = xml("UpdateAssumeRolePolicy", "");
    let policy = json!({"Statement": []});
    wire.services.iam.update_trust_policy("r", &policy).await.unwrap();
    wire.sent_form(
        "UpdateAssumeRolePolicy",
        &[("RoleName", "r"), ("PolicyDocument", "{\"Statement\":[]}")],
    );
}

#[tokio::test]
async fn delete_role() {
    let wire = xml("DeleteRole", "");
    wire.services.iam.delete_role("r").await.unwrap();
    wire.sent_form("DeleteRole", &[("RoleName", "r")]);
}

#[tokio::test]
async fn list_role_policies_reads_every_page() {
    let wire = replay(vec![
        xml_answer(
            "ListRolePolicies",
            "<PolicyNames><member>a</member></PolicyNames>
             <IsTruncated>true</IsTruncated><Marker>two</Marker>",
        ),
        xml_answer(
            "ListRolePolicies",
            "<PolicyNames><member>b</member></PolicyNames><IsTruncated>false</IsTruncated>",
        ),
    ]);
    let names = wire.services.iam.list_role_policies("r").await;
    let sent: Vec<String> = wire.bodies().collect();
    assert_eq!(
        sent,
        [
            "Action=ListRolePolicies&Version=2010-05-08&RoleName=r",
            "Action=ListRolePolicies&Version=2010-05-08&RoleName=r&Marker=two",
        ]
    );
    assert_eq!(names, Ok(vec!["a".into(), "b".into()]));
}

#[tokio::test]
async fn get_role_policy_reads_encoded_and_plain_documents() {
    for document in ["%7B%22Statement%22%3A%5B%5D%7D", "{&quot;Statement&quot;: []}"] {
        let answer =
            format!("<RoleName>r</RoleName><PolicyName>p</PolicyName><PolicyDocument>{document}</PolicyDocument>");
        let wire = xml("GetRolePolicy", &answer);
        let policy = wire.services.iam.get_role_policy("r", "p").await;
        wire.sent_form("GetRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")]);
        assert_eq!(policy, Ok(json!({"Statement": []})));
    }
}

#[tokio::test]
async fn put_role_policy() {
    let wire = xml("PutRolePolicy", "");
    let document = json!({"Statement": []});
    wire.services.iam.put_role_policy("r", "p", &document).await.unwrap();
    wire.sent_form(
        "PutRolePolicy",
        &[
            ("RoleName", "r"),
            ("PolicyName", "p"),
            ("PolicyDocument", "{\"Statement\":[]}"),
        ],
    );
}

#[tokio::test]
async fn delete_role_policy() {
    let wire = xml("DeleteRolePolicy", "");
    wire.services.iam.delete_role_policy("r", "p").await.unwrap();
    wire.sent_form("DeleteRolePolicy", &[("RoleName", "r"), ("PolicyName", "p")]);
}

#[tokio::test]
async fn detach_role_policy() {
    let wire = xml("DetachRolePolicy", "");
    let policy = "arn:aws:iam::aws:policy/ReadOnly".parse().unwrap();
    wire.services.iam.detach_role_policy("r", &policy).await.unwrap();
    wire.sent_form("DetachRolePolicy", &[("RoleName", "r"), ("PolicyArn", policy.as_str())]);
}

#[tokio::test]
async fn list_attached_role_policies() {
    let wire = xml(
        "ListAttachedRolePolicies",
        "<AttachedPolicies><member><PolicyName>ReadOnly</PolicyName>
           <PolicyArn>arn:aws:iam::aws:policy/ReadOnly</PolicyArn></member></AttachedPolicies>",
    );
    let arns = wire.services.iam.list_attached_role_policies("r").await;
    wire.sent_form("ListAttachedRolePolicies", &[("RoleName", "r")]);
    assert_eq!(arns, Ok(vec![arn("arn:aws:iam::aws:policy/ReadOnly")]));
}

#[tokio::test]
async fn denied_actions() {
    let result = |action: &str, decision: &str| {
        format!(
            "<member><EvalActionName>{action}</EvalActionName>
               <EvalDecision>{decision}</EvalDecision></member>"
        )
    };
    let results = [
        result("sqs:CreateQueue", "allowed"),
        result("iam:CreateRole", "implicitDeny"),
        result("ses:GetAccount", "explicitDeny"),
    ];
    let answer = format!("<EvaluationResults>{}</EvaluationResults>", results.concat());
    let wire = xml("SimulatePrincipalPolicy", &answer);
    let simulation = Simulation {
        principal: arn("arn:aws:iam::111111111111:role/Admin"),
        actions: ["sqs:CreateQueue", "iam:CreateRole", "ses:GetAccount"]
            .map(String::from)
            .to_vec(),
        resources: vec!["*".into()],
        context: [("aws:RequestedRegion".into(), "us-east-1".into())].into(),
    };
    let denied = wire.services.iam.denied_actions(&simulation).await;
    wire.sent_form(
        "SimulatePrincipalPolicy",
        &[
            ("PolicySourceArn", "arn:aws:iam::111111111111:role/Admin"),
            ("ActionNames.member.1", "sqs:CreateQueue"),
            ("ActionNames.member.2", "iam:CreateRole"),
            ("ActionNames.member.3", "ses:GetAccount"),
            ("ResourceArns.member.1", "*"),
            ("ContextEntries.member.1.ContextKeyName", "aws:RequestedRegion"),
            ("ContextEntries.member.1.ContextKeyValues.member.1", "us-east-1"),
            ("ContextEntries.member.1.ContextKeyType", "string"),
        ],
    );
    assert_eq!(denied, Ok(vec!["iam:CreateRole".into(), "ses:GetAccount".into()]));
}

#[tokio::test]
async fn an_action_allowed_on_one_of_several_resources_is_not_denied() {
    let part = |decision: &str| {
        format!(
            "<member><EvalResourceName>a</EvalResourceName>\
             <EvalResourceDecision>{decision}</EvalResourceDecision></member>"
        )
    };
    let answer = format!(
        "<EvaluationResults><member><EvalActionName>sqs:CreateQueue</EvalActionName>\
         <EvalDecision>implicitDeny</EvalDecision><ResourceSpecificResults>{}{}</ResourceSpecificResults>\
         </member></EvaluationResults>",
        part("implicitDeny"),
        part("allowed")
    );
    let wire = xml("SimulatePrincipalPolicy", &answer);
    let simulation = Simulation {
        principal: arn("arn:aws:iam::111111111111:role/Admin"),
        actions: vec!["sqs:CreateQueue".into()],
        resources: vec!["a".into(), "b".into()],
        context: Default::default(),
    };
    let denied = wire.services.iam.denied_actions(&simulation).await;
    assert_eq!(denied, Ok(Vec::new()));
}
