# What each variable refuses, on both sides of its limits where it has some.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "a_name_in_capitals" {
  command = plan
  variables {
    name = "Tinderbox"
  }
  expect_failures = [var.name]
}

run "a_name_that_is_too_long" {
  command = plan
  variables {
    name = "a2345678901234567890123456789012"
  }
  expect_failures = [var.name]
}

run "a_name_that_begins_as_ids_do" {
  command = plan
  variables {
    name = "sg-1"
  }
  expect_failures = [var.name]
}

run "a_destination_with_a_name_that_is_no_description" {
  command = plan
  variables {
    runner_egress = { "a<b" = { cidr = "10.0.0.0/8", from = 1, to = 2 } }
  }
  expect_failures = [var.runner_egress]
}

run "tags_of_ours" {
  command = plan
  variables {
    tags = { "tinderbox:owner" = "me" }
  }
  expect_failures = [var.tags]
}

run "tags_of_amazon" {
  command = plan
  variables {
    tags = { "AWS:x" = "y" }
  }
  expect_failures = [var.tags]
}

run "an_id_of_something_else_as_vpc" {
  command = plan
  variables {
    vpc_id     = "subnet-0a"
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.vpc_id]
}

run "a_vpc_without_subnets" {
  command = plan
  variables {
    vpc_id = "vpc-0a"
  }
  expect_failures = [var.subnet_ids]
}

run "subnets_without_a_vpc" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.subnet_ids]
}

run "an_id_of_something_else_as_subnet" {
  command = plan
  variables {
    vpc_id     = "vpc-0a"
    subnet_ids = ["vpc-0a"]
  }
  expect_failures = [var.subnet_ids]
}

run "an_address_range_that_is_none" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0"
  }
  expect_failures = [var.vpc_cidr]
}

run "an_address_range_that_is_too_small" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/21"
  }
  expect_failures = [var.vpc_cidr]
}

run "an_address_range_that_is_too_large" {
  command = plan
  variables {
    vpc_cidr = "10.0.0.0/15"
  }
  expect_failures = [var.vpc_cidr]
}

run "no_zones" {
  command = plan
  variables {
    zones = 0
  }
  expect_failures = [var.zones]
}

run "seven_zones" {
  command = plan
  variables {
    zones = 7
  }
  expect_failures = [var.zones]
}

run "half_a_zone" {
  command = plan
  variables {
    zones = 1.5
  }
  expect_failures = [var.zones]
}

run "another_internet" {
  command = plan
  variables {
    internet = "private"
  }
  expect_failures = [var.internet]
}

run "route_tables_of_a_new_vpc" {
  command = plan
  variables {
    s3_route_table_ids = ["rtb-1"]
  }
  expect_failures = [var.s3_route_table_ids]
}

run "another_side_that_dials" {
  command = plan
  variables {
    dial = "both"
  }
  expect_failures = [var.dial]
}

run "ports_of_the_system" {
  command = plan
  variables {
    ports = { from = 1023, to = 2000 }
  }
  expect_failures = [var.ports]
}

run "ports_that_do_not_exist" {
  command = plan
  variables {
    ports = { from = 65000, to = 65536 }
  }
  expect_failures = [var.ports]
}

run "ports_the_wrong_way_round" {
  command = plan
  variables {
    ports = { from = 2001, to = 2000 }
  }
  expect_failures = [var.ports]
}

run "the_whole_internet_as_parent" {
  command = plan
  variables {
    parent_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.parent_cidrs]
}

run "a_parent_that_is_no_range" {
  command = plan
  variables {
    parent_cidrs = ["10.0.0.1"]
  }
  expect_failures = [var.parent_cidrs]
}

run "a_destination_that_is_no_range" {
  command = plan
  variables {
    runner_egress = { x = { cidr = "db.internal", from = 1, to = 1 } }
  }
  expect_failures = [var.runner_egress]
}

run "destination_ports_the_wrong_way_round" {
  command = plan
  variables {
    runner_egress = { x = { cidr = "10.0.0.0/8", from = 2, to = 1 } }
  }
  expect_failures = [var.runner_egress]
}

run "a_protocol_for_all_of_them" {
  command = plan
  variables {
    runner_egress = { x = { cidr = "10.0.0.0/8", from = 1, to = 2, protocol = "-1" } }
  }
  expect_failures = [var.runner_egress]
}

run "a_policy_by_its_name" {
  command = plan
  variables {
    runner_policy_arns = ["AdministratorAccess"]
  }
  expect_failures = [var.runner_policy_arns]
}

run "an_architecture_as_linux_names_it" {
  command = plan
  variables {
    architecture = "x86_64"
  }
  expect_failures = [var.architecture]
}

run "an_image_by_its_name" {
  command = plan
  variables {
    image_id = "al2023"
  }
  expect_failures = [var.image_id]
}

run "a_disk_that_is_too_small" {
  command = plan
  variables {
    disk_gb = 3
  }
  expect_failures = [var.disk_gb]
}

run "a_disk_that_is_too_large" {
  command = plan
  variables {
    disk_gb = 16385
  }
  expect_failures = [var.disk_gb]
}

run "an_image_of_no_layers" {
  command = plan
  variables {
    bake_image = true
  }
  expect_failures = [var.bake_image]
}

run "an_image_made_without_internet" {
  command = plan
  variables {
    bake_image  = true
    bake_layers = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    internet    = "none"
  }
  expect_failures = [var.bake_image]
}

run "a_layer_by_its_name" {
  command = plan
  variables {
    bake_layers = ["node"]
  }
  expect_failures = [var.bake_layers]
}

run "a_bucket_with_dots" {
  command = plan
  variables {
    bucket_name = "my.bucket"
  }
  expect_failures = [var.bucket_name]
}

run "a_prefix_without_its_slash" {
  command = plan
  variables {
    release_prefix = "app"
  }
  expect_failures = [var.release_prefix]
}

run "no_prefix" {
  command = plan
  variables {
    release_prefix = ""
  }
  expect_failures = [var.release_prefix]
}

run "a_prefix_with_a_wildcard" {
  command = plan
  variables {
    release_prefix = "*/"
  }
  expect_failures = [var.release_prefix]
}

run "releases_of_a_month" {
  command = plan
  variables {
    release_expiry_days = 29
  }
  expect_failures = [var.release_expiry_days]
}

run "a_store_without_its_slash" {
  command = plan
  variables {
    store_prefix = "store"
  }
  expect_failures = [var.store_prefix]
}

run "a_store_of_the_whole_bucket" {
  command = plan
  variables {
    store_prefix = ""
  }
  expect_failures = [var.store_prefix]
}

run "a_store_among_the_layers" {
  command = plan
  variables {
    store_prefix = "tinderbox/layers/"
  }
  expect_failures = [var.store_prefix]
}

run "a_store_among_what_parents_know_of_each_other" {
  command = plan
  variables {
    store_prefix = "tinderbox/.tinderbox/"
  }
  expect_failures = [var.store_prefix]
}

run "a_store_below_the_releases" {
  command = plan
  variables {
    release_prefix = "app/"
    store_prefix   = "app/releases/store/"
  }
  expect_failures = [var.store_prefix]
}

run "a_store_around_the_releases" {
  command = plan
  variables {
    release_prefix = "app/one/"
    store_prefix   = "app/"
  }
  expect_failures = [var.store_prefix]
}

run "what_is_just_possible" {
  command = plan
  variables {
    name                = "a234567890123456789012345678901"
    vpc_cidr            = "10.0.0.0/20"
    zones               = 1
    internet            = "nat"
    ports               = { from = 1024, to = 65535 }
    parent_cidrs        = ["10.0.0.1/32"]
    disk_gb             = 4
    release_expiry_days = 30
    store_prefix        = "layers-of-mine/"
  }
  assert {
    condition     = length(output.bucket) <= 63
    error_message = "The name of the bucket is too long."
  }
  assert {
    condition     = aws_subnet.runner["eu-central-1a"].cidr_block == "10.0.0.0/24" && aws_subnet.nat[0].cidr_block == "10.0.15.240/28"
    error_message = "The subnets overlap."
  }
  assert {
    condition     = alltrue([for prefix in [aws_iam_role.runner.name_prefix, aws_iam_role.parent[0].name_prefix] : length(prefix) <= 38])
    error_message = "The name of a role is longer than the provider allows for a prefix."
  }
}

run "a_null_is_the_default" {
  command = plan
  variables {
    name        = null
    zones       = null
    dial        = null
    ports       = null
    parent_role = null
  }
  assert {
    condition     = length(output.subnets) == 3 && output.dial == "runner" && output.ports.from == 32768
    error_message = "It is not the default."
  }
}
