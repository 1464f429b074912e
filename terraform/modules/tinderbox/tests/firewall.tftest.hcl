mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_security_group.runner
  override_during = plan
  values          = { id = "sg-runner" }
}

override_resource {
  target          = aws_security_group.parent
  override_during = plan
  values          = { id = "sg-parent" }
}

run "runners_dial_and_nothing_dials_them" {
  command = plan
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.runner_from_parent) == 0 && length(aws_vpc_security_group_ingress_rule.runner_from_parent_elsewhere) == 0
    error_message = "Something may connect to a runner."
  }
  assert {
    condition = alltrue([for rule in [aws_vpc_security_group_ingress_rule.parent_from_runner[0], aws_vpc_security_group_egress_rule.runner_to_parent[0]] :
      rule.ip_protocol == "tcp" && rule.from_port == 32768 && rule.to_port == 60999 && rule.cidr_ipv4 == null
    ])
    error_message = "More or less is open than the ports."
  }
  assert {
    condition = alltrue([
      aws_vpc_security_group_ingress_rule.parent_from_runner[0].security_group_id == aws_security_group.parent.id,
      aws_vpc_security_group_ingress_rule.parent_from_runner[0].referenced_security_group_id == aws_security_group.runner.id,
      aws_vpc_security_group_egress_rule.runner_to_parent[0].security_group_id == aws_security_group.runner.id,
      aws_vpc_security_group_egress_rule.runner_to_parent[0].referenced_security_group_id == aws_security_group.parent.id,
    ])
    error_message = "The rules are between other groups."
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.parent_to_runner) == 0
    error_message = "The parent may dial though it has not to."
  }
}

run "the_parent_dials_and_nothing_dials_it" {
  command = plan
  variables {
    dial         = "parent"
    ports        = { from = 5000, to = 5000 }
    parent_cidrs = ["192.168.7.0/24"]
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.parent_from_runner) == 0 && length(aws_vpc_security_group_egress_rule.runner_to_parent) == 0 && length(aws_vpc_security_group_egress_rule.runner_to_parent_elsewhere) == 0
    error_message = "Runners may dial though they have not to."
  }
  assert {
    condition = alltrue([for rule in [
      aws_vpc_security_group_ingress_rule.runner_from_parent[0], aws_vpc_security_group_egress_rule.parent_to_runner[0],
      aws_vpc_security_group_ingress_rule.runner_from_parent_elsewhere["192.168.7.0/24"]
      ] : rule.ip_protocol == "tcp" && rule.from_port == 5000 && rule.to_port == 5000
    ])
    error_message = "More or less is open than the port."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.runner_from_parent[0].referenced_security_group_id == aws_security_group.parent.id && aws_vpc_security_group_ingress_rule.runner_from_parent_elsewhere["192.168.7.0/24"].cidr_ipv4 == "192.168.7.0/24"
    error_message = "Others than the parent may connect."
  }
}

run "the_parent_dials_the_usual_port" {
  command = plan
  variables {
    dial = "parent"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.runner_from_parent[0].from_port == 7117 && aws_vpc_security_group_ingress_rule.runner_from_parent[0].to_port == 7117
    error_message = "It dials another."
  }
}

run "a_parent_elsewhere_is_dialled" {
  command = plan
  variables {
    parent_cidrs = ["192.168.7.9/32"]
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.runner_to_parent_elsewhere["192.168.7.9/32"].cidr_ipv4 == "192.168.7.9/32" && aws_vpc_security_group_egress_rule.runner_to_parent_elsewhere["192.168.7.9/32"].to_port == 60999
    error_message = "It cannot be reached."
  }
}

run "runners_reach_https_and_what_is_named" {
  command = plan
  variables {
    runner_egress = { database = { cidr = "10.1.0.0/16", from = 5432, to = 5433 } }
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.runner_to_s3.prefix_list_id == "pl-s3" && aws_vpc_security_group_egress_rule.runner_to_s3.from_port == 443 && aws_vpc_security_group_egress_rule.runner_to_s3.to_port == 443
    error_message = "S3 is out of reach."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.runner_to_internet[0].from_port == 443 && aws_vpc_security_group_egress_rule.runner_to_internet[0].to_port == 443
    error_message = "More than HTTPS goes out."
  }
  assert {
    condition = alltrue([for rule in [aws_vpc_security_group_egress_rule.runner_to_else["database"]] :
      rule.cidr_ipv4 == "10.1.0.0/16" && rule.from_port == 5432 && rule.to_port == 5433 && rule.ip_protocol == "tcp"
    ])
    error_message = "The database is out of reach."
  }
}
