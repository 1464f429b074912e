mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "what_each_runner_is_made_of" {
  command = plan

  # a runner that powers off is gone
  assert {
    condition     = aws_launch_template.runner.instance_initiated_shutdown_behavior == "terminate"
    error_message = "A runner that powers itself off would be kept, stopped, and its disk be paid for."
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.runner.user_data), "shutdown -h +")
    error_message = "A machine that was launched without the user data of a parent would never end."
  }
  assert {
    condition     = startswith(base64decode(aws_launch_template.runner.user_data), "#!")
    error_message = "cloud-init runs user data only where it begins with #!."
  }

  # metadata needs a token that does not leave the machine
  assert {
    condition     = aws_launch_template.runner.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv1 would be open."
  }
  assert {
    condition     = aws_launch_template.runner.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "A token could pass a hop."
  }
  assert {
    condition     = aws_launch_template.runner.metadata_options[0].http_endpoint == "enabled"
    error_message = "The boot program needs the metadata service."
  }

  # the disk is small encrypted and ends with the machine
  assert {
    condition = alltrue([
      length(aws_launch_template.runner.block_device_mappings) == 1,
      aws_launch_template.runner.block_device_mappings[0].device_name == "/dev/xvda",
      aws_launch_template.runner.block_device_mappings[0].ebs[0].encrypted == "true",
      aws_launch_template.runner.block_device_mappings[0].ebs[0].delete_on_termination == "true",
      aws_launch_template.runner.block_device_mappings[0].ebs[0].volume_type == "gp3",
      aws_launch_template.runner.block_device_mappings[0].ebs[0].volume_size == 8,
    ])
    error_message = "The disk is not what it has to be."
  }

  # nobody can log in
  assert {
    condition     = aws_launch_template.runner.key_name == null
    error_message = "There is a key."
  }

  # new versions are what launches start from
  assert {
    condition     = aws_launch_template.runner.update_default_version
    error_message = "Parents would go on with the template as it was first made."
  }

  # the newest minimal amazon linux is the image
  assert {
    condition     = data.aws_ami.base.owners[0] == "amazon" && one(one(data.aws_ami.base.filter).values) == "al2023-ami-minimal-2023.*-kernel-6.1-x86_64"
    error_message = "It is another image."
  }
  assert {
    condition     = aws_launch_template.runner.image_id == "ami-0000000000000base" && output.image == "ami-0000000000000base"
    error_message = "Runners boot another image than was looked up."
  }
}
