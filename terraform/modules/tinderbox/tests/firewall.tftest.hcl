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
    condition = { for name, rule in aws_vpc_security_group_egress_rule.dials : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    } == { Parents = "sg-runner sg-parent tcp 32768 60999" }
    error_message = "Others dial, or others are dialled, or at other ports."
  }
  assert {
    condition = { for name, rule in aws_vpc_security_group_ingress_rule.is_dialled : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    } == { Runners = "sg-parent sg-runner tcp 32768 60999" }
    error_message = "Something else may connect."
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
    condition = { for name, rule in aws_vpc_security_group_egress_rule.dials : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    } == { Runners = "sg-parent sg-runner tcp 5000 5000" }
    error_message = "Others dial, or others are dialled, or at other ports."
  }
  assert {
    condition = { for name, rule in aws_vpc_security_group_ingress_rule.is_dialled : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
      } == {
      Parents                     = "sg-runner sg-parent tcp 5000 5000"
      "Parents at 192.168.7.0/24" = "sg-runner 192.168.7.0/24 tcp 5000 5000"
    }
    error_message = "Something else may connect."
  }
}

run "the_parent_dials_the_usual_port" {
  command = plan
  variables {
    dial = "parent"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.is_dialled : rule.from_port == 7117 && rule.to_port == 7117])
    error_message = "It dials another."
  }
}

run "a_parent_elsewhere_is_dialled" {
  command = plan
  variables {
    parent_cidrs = ["192.168.7.9/32"]
  }
  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.is_dialled) == ["Runners"]
    error_message = "It is no part of this network, and nothing can be opened there."
  }
  assert {
    condition = [for rule in [aws_vpc_security_group_egress_rule.dials["Parents at 192.168.7.9/32"]] :
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    ] == ["sg-runner 192.168.7.9/32 tcp 32768 60999"]
    error_message = "It cannot be reached."
  }
}

run "both_reach_https_and_runners_what_is_named" {
  command = plan
  variables {
    runner_egress = { database = { cidr = "10.1.0.0/16", from = 5432, to = 5433 } }
  }
  assert {
    condition = [for rule in [aws_vpc_security_group_egress_rule.runner_to_s3] :
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    ] == ["sg-runner pl-s3 tcp 443 443"]
    error_message = "S3 is out of reach."
  }
  assert {
    condition = { for name, rule in aws_vpc_security_group_egress_rule.https : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
      } == {
      parent = "sg-parent 0.0.0.0/0 tcp 443 443"
      runner = "sg-runner 0.0.0.0/0 tcp 443 443"
    }
    error_message = "More than HTTPS goes out."
  }
  assert {
    condition = { for name, rule in aws_vpc_security_group_egress_rule.runner_to_else : name =>
      join(" ", compact([rule.security_group_id, rule.referenced_security_group_id, rule.prefix_list_id, rule.cidr_ipv4, rule.ip_protocol, rule.from_port, rule.to_port]))
    } == { database = "sg-runner 10.1.0.0/16 tcp 5432 5433" }
    error_message = "The database is out of reach."
  }
}
