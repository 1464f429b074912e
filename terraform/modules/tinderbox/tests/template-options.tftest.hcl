mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "tags_are_on_all_that_a_launch_makes" {
  command = plan
  variables {
    name = "blue"
    tags = { team = "search" }
  }
  assert {
    condition     = toset([for spec in aws_launch_template.runner.tag_specifications : spec.resource_type]) == toset(["instance", "volume", "network-interface"])
    error_message = "Something is launched untagged."
  }
  assert {
    condition = alltrue([
      for spec in aws_launch_template.runner.tag_specifications :
      spec.tags["team"] == "search" && spec.tags["tinderbox:deployment"] == "blue"
    ])
    error_message = "A tag is missing."
  }
}

run "an_image_of_ones_own_is_taken" {
  command = plan
  variables {
    image_id = "ami-0123456789abcdef0"
  }
  assert {
    condition     = data.aws_ami.base.owners == null && one(data.aws_ami.base.filter).name == "image-id" && one(one(data.aws_ami.base.filter).values) == "ami-0123456789abcdef0"
    error_message = "It is another image."
  }
}

run "an_image_of_another_architecture_is_refused" {
  command = plan
  variables {
    architecture = "arm64"
  }
  expect_failures = [data.aws_ami.base]
}

run "arm_has_an_image_of_its_own" {
  command = plan
  variables {
    architecture = "arm64"
  }
  override_data {
    target = data.aws_ami.base
    values = { id = "ami-0arm", architecture = "arm64", root_device_name = "/dev/xvda" }
  }
  assert {
    condition     = one(one(data.aws_ami.base.filter).values) == "al2023-ami-minimal-2023.*-kernel-6.1-arm64" && output.architecture == "arm64"
    error_message = "It is another image."
  }
}
