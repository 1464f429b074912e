mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_iam_role.runner
  override_during = plan
  values          = { id = "runner", name = "runner", arn = "arn:aws:iam::111122223333:role/runner" }
}

override_resource {
  target          = aws_security_group.runner
  override_during = plan
  values          = { id = "sg-runner", arn = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-runner" }
}

override_resource {
  target          = aws_subnet.runner
  override_during = plan
  values          = { id = "subnet-0a" }
}

variables {
  zones = 1
}

run "a_runner_without_the_store_reads_releases_only" {
  command = plan
  variables {
    runner_store_access = false
    release_prefix      = "app/"
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.runner.policy).Statement : [statement.Action, statement.Resource]] == [[
      ["s3:GetObject"],
      ["arn:aws:s3:::tinderbox-111122223333-eu-central-1/app/layers/*", "arn:aws:s3:::tinderbox-111122223333-eu-central-1/app/releases/*"],
    ]]
    error_message = "Runners may do other things."
  }
}

run "a_parent_that_is_not_on_ec2_needs_no_role" {
  command = plan
  variables {
    parent_role = false
  }
  assert {
    condition     = length(aws_iam_role.parent) == 0 && length(aws_iam_instance_profile.parent) == 0 && output.parent_instance_profile == null
    error_message = "A role is made for it."
  }
}

run "runners_get_the_policies_that_are_named" {
  command = plan
  variables {
    runner_policy_arns       = ["arn:aws:iam::111122223333:policy/tables"]
    spot_service_linked_role = true
  }
  assert {
    condition     = keys(aws_iam_role_policy_attachment.runner) == ["arn:aws:iam::111122223333:policy/tables"] && aws_iam_role_policy_attachment.runner["arn:aws:iam::111122223333:policy/tables"].role == "runner"
    error_message = "They do not."
  }
  assert {
    condition     = aws_iam_service_linked_role.spot[0].aws_service_name == "spot.amazonaws.com"
    error_message = "It is another role."
  }
}

run "the_policy_of_parents_is_within_the_limit_of_iam" {
  command = plan
  variables {
    zones          = 3
    name           = "a234567890123456789012345678901"
    release_prefix = "some/long/prefix/of/releases/"
  }
  # 6,144 characters without white space, of which jsonencode writes none; ids of AWS are some characters longer than those here.
  assert {
    condition     = length(aws_iam_policy.parent.policy) < 5000
    error_message = "It is too long."
  }
}
