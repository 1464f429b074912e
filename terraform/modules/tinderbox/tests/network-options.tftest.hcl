mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "fewer_zones_where_fewer_are_wanted_or_there" {
  command = plan
  variables {
    zones = 2
  }
  assert {
    condition     = keys(aws_subnet.runner) == ["eu-central-1a", "eu-central-1b"]
    error_message = "It is not two."
  }
}

run "as_many_zones_as_there_are" {
  command = plan
  variables {
    zones = 6
  }
  assert {
    condition     = length(aws_subnet.runner) == 3
    error_message = "It is not three."
  }
}

run "nat_keeps_runners_without_public_addresses" {
  command = plan
  variables {
    internet = "nat"
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.runner : !subnet.map_public_ip_on_launch])
    error_message = "Runners have public addresses."
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.runner_nat) == 1 && length(aws_route.runner_public) == 0 && length(aws_route.nat) == 1
    error_message = "They do not go by the NAT gateway."
  }
  assert {
    condition     = aws_subnet.nat[0].cidr_block == "10.77.255.0/24"
    error_message = "The subnet of the gateway is another."
  }
}

run "without_internet_there_is_no_way_out" {
  command = plan
  variables {
    internet = "none"
  }
  assert {
    condition = alltrue([
      length(aws_internet_gateway.this) == 0, length(aws_nat_gateway.this) == 0, length(aws_route.runner_public) == 0,
      length(aws_route.runner_nat) == 0, keys(aws_vpc_security_group_egress_rule.https) == ["parent"],
      alltrue([for subnet in aws_subnet.runner : !subnet.map_public_ip_on_launch]),
      length(aws_vpc_endpoint.s3) == 1,
    ])
    error_message = "There is one, or S3 is out of reach."
  }
}

run "an_existing_vpc_is_used_as_it_is" {
  command = plan
  variables {
    vpc_id     = "vpc-0123456789abcdef0"
    subnet_ids = ["subnet-0a", "subnet-0b"]
  }
  override_data {
    target = data.aws_subnet.existing
    values = { vpc_id = "vpc-0123456789abcdef0" }
  }
  assert {
    condition = alltrue([
      length(aws_vpc.this) == 0, length(aws_subnet.runner) == 0, length(aws_route_table.runner) == 0,
      length(aws_internet_gateway.this) == 0, length(aws_vpc_endpoint.s3) == 0, length(aws_default_security_group.this) == 0,
    ])
    error_message = "Something is made in a VPC of somebody else."
  }
  assert {
    condition     = aws_security_group.runner.vpc_id == "vpc-0123456789abcdef0" && output.vpc == "vpc-0123456789abcdef0" && length(output.subnets) == 2
    error_message = "It is not the VPC that was named."
  }
}

run "an_existing_vpc_gets_an_endpoint_on_request" {
  command = plan
  variables {
    vpc_id             = "vpc-0123456789abcdef0"
    subnet_ids         = ["subnet-0a"]
    s3_route_table_ids = ["rtb-1", "rtb-2"]
    internet           = "nat"
  }
  assert {
    condition     = aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-1", "rtb-2"])
    error_message = "The endpoint is in other route tables."
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0
    error_message = "A gateway was made in somebody else's VPC."
  }
}

run "a_subnet_of_another_vpc_is_refused" {
  command = plan
  variables {
    vpc_id     = "vpc-0fffffffffffffff0"
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [data.aws_subnet.existing]
}
