resource "aws_s3_bucket" "data" {
  bucket = "example-data"
}

resource "aws_ebs_volume" "disk" {
  availability_zone = "eu-west-1a"
  size              = 10
  encrypted         = false
}
