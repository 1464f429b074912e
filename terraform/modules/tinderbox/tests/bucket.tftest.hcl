mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "the_bucket_is_private_encrypted_and_keeps_what_it_holds" {
  command = plan

  # nothing of the bucket is public
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
      aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced",
    ])
    error_message = "Somebody else may get at it."
  }

  # it is spoken to over tls only
  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource = [
        "arn:aws:s3:::tinderbox-111122223333-eu-central-1",
        "arn:aws:s3:::tinderbox-111122223333-eu-central-1/*",
      ]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "Requests without TLS are let in, or something else is said as well."
  }

  # it is encrypted and keeps no versions
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "It is not encrypted."
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Disabled"
    error_message = "Each renewal of a lease would be kept as a version."
  }
  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "A destroy would take the state along."
  }

  # uploads that were broken off are removed and nothing else
  assert {
    condition = alltrue([
      length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1,
      aws_s3_bucket_lifecycle_configuration.this.rule[0].status == "Enabled",
      aws_s3_bucket_lifecycle_configuration.this.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 1,
      length(aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration) == 0,
    ])
    error_message = "Uploads stay, or objects go."
  }
}
