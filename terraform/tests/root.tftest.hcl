mock_provider "aws" {
  source          = "./modules/tinderbox/tests/mocks"
  override_during = plan
}

override_resource {
  target          = module.tinderbox.aws_security_group.runner
  override_during = plan
  values          = { id = "sg-runner" }
}

run "without_any_variable_it_is_complete" {
  command = plan
  assert {
    condition = alltrue([
      output.region == "eu-central-1",
      output.bucket == "tinderbox-111122223333-eu-central-1",
      output.store == "s3://tinderbox-111122223333-eu-central-1/store",
      output.release_prefix == "tinderbox/",
      length(output.subnets) == 3,
      one(output.security_groups) == "sg-runner",
      output.launch_template == "lt-0123456789abcdef0",
      output.image == "ami-0000000000000base",
      output.architecture == "x64",
      output.dial == "runner",
      output.ports.from == 32768 && output.ports.to == 60999,
      output.parent_policy_arn == "arn:aws:iam::111122223333:policy/a-policy",
    ])
    error_message = "An output is another."
  }
}

run "each_variable_reaches_the_module" {
  command = plan
  variables {
    name                     = "blue"
    tags                     = { team = "search" }
    vpc_id                   = "vpc-0123456789abcdef0"
    subnet_ids               = ["subnet-0a"]
    internet                 = "none"
    s3_route_table_ids       = ["rtb-1"]
    dial                     = "parent"
    ports                    = { from = 5000, to = 5001 }
    parent_cidrs             = ["192.168.7.0/24"]
    parent_role              = false
    runner_egress            = { database = { cidr = "10.1.0.0/16", from = 5432, to = 5432 } }
    runner_policy_arns       = ["arn:aws:iam::111122223333:policy/tables"]
    runner_store_access      = false
    architecture             = "x64"
    image_id                 = "ami-0123456789abcdef0"
    disk_gb                  = 20
    bucket_name              = "my-own"
    bucket_force_destroy     = true
    release_prefix           = "app/"
    release_expiry_days      = 40
    store_prefix             = "state/"
    spot_service_linked_role = true
  }
  assert {
    condition = alltrue([
      output.vpc == "vpc-0123456789abcdef0", output.dial == "parent", output.ports.to == 5001, output.bucket == "my-own",
      output.release_prefix == "app/", output.store == "s3://my-own/state", output.parent_instance_profile == null,
    ])
    error_message = "One does not."
  }
}
