mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "old_releases_are_removed_on_request_and_never_the_store" {
  command = plan
  variables {
    release_expiry_days = 90
    release_prefix      = "app/"
  }
  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.filter[0].prefix => rule.expiration[0].days if length(rule.expiration) > 0
    } == { "app/layers/" = 90, "app/releases/" = 90 }
    error_message = "Other things expire than layers and releases."
  }
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.status == "Enabled"])
    error_message = "A rule is off."
  }
}

run "its_name_may_be_chosen" {
  command = plan
  variables {
    bucket_name = "my-own"
  }
  assert {
    condition     = aws_s3_bucket.this.bucket == "my-own" && output.bucket == "my-own" && output.store == "s3://my-own/store"
    error_message = "It has another name."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.runner.policy).Statement : alltrue([for resource in statement.Resource : startswith(resource, "arn:aws:s3:::my-own")])])
    error_message = "The policy of runners is for another bucket."
  }
}
