mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "by_default_a_subnet_in_each_of_three_zones_with_public_addresses" {
  command = plan
  assert {
    condition = { for zone, subnet in aws_subnet.runner : zone => [subnet.availability_zone, subnet.cidr_block, subnet.map_public_ip_on_launch] } == {
      "eu-central-1a" = ["eu-central-1a", "10.77.0.0/20", true]
      "eu-central-1b" = ["eu-central-1b", "10.77.16.0/20", true]
      "eu-central-1c" = ["eu-central-1c", "10.77.32.0/20", true]
    }
    error_message = "The subnets are others."
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.runner_public) == 1
    error_message = "There is a NAT gateway that nobody has asked for, or no way out."
  }
  assert {
    condition     = length(aws_vpc_endpoint.s3) == 1 && aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3[0].service_name == "com.amazonaws.eu-central-1.s3"
    error_message = "S3 is not reached by the endpoint that is free."
  }
  assert {
    condition     = length(aws_route_table_association.runner) == 3 && length(output.subnets) == 3
    error_message = "Not all subnets are routed, or told."
  }
}
