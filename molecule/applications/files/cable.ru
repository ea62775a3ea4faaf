# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
require "action_controller"
require "action_cable"
require "concurrent"
require "logger"

class Connection < ActionCable::Connection::Base
end

class EchoChannel < ActionCable::Channel::Base
  def echo(data)
    transmit({ "heard" => data["word"] })
  end
end

ActionCable.server.config.tap do |config|
  config.logger = Logger.new($stdout)
  config.cable = { "adapter" => "async" }
  config.connection_class = -> { Connection }
  # Both are Rails's own.
  config.allow_same_origin_as_host = true
  config.disable_request_forgery_protection = false
end

page = [200, { "content-type" => "text/html" }, ["<!DOCTYPE html><title>Action Cable</title>"]]
run Rack::URLMap.new("/cable" => ActionCable.server, "/" => ->(_environment) { page })
