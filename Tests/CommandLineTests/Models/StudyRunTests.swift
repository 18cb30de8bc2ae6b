import Foundation
import Testing

extension DataTests {
  @Suite("A study")
  struct StudyRunTests {
    @Test func `That a signal stops goes on with what is missing`() throws {
      let workspace = Workspace()
      let command = ["study", "concentration", "--quick", "--no-figures", "--out", "out"]
      func lines(_ folder: String) -> [Substring] {
        let text = (try? workspace.bytes("\(folder)/concentration/data.csv")).map {
          String(decoding: $0, as: UTF8.self)
        }
        return (text ?? "").split(separator: "\n")
      }
      let child = try Child(Program.command(.mpirun(2), command), in: workspace)
      try #require(poll(for: Child.limit) { child.hasEnded || lines("out").count > 3 })
      for program in child.programs { kill(program, SIGTERM) }
      let outcome = try child.wait()
      outcome.expectError(75, mentioning: ["stopped by a signal", "goes on"])
      let before = lines("out")
      #expect(before.count > 3 && !workspace.exists("out/concentration/summary.md"))

      let resumed = try Program.run(command, in: workspace)
      resumed.expectSuccess()
      #expect(Array(lines("out").prefix(before.count)) == before && lines("out").count > before.count)
      #expect(workspace.exists("out/concentration/summary.md"))
    }

    @Test func `Of a cluster needs a description that can be read and used`() throws {
      let workspace = Workspace()
      try workspace.write("rack.yaml", "network: {bandwidth: fast}\n")
      let command = ["study", "scaling", "--quick", "--no-figures", "--out", "out", "--cluster"]
      try Program.run(.mpirun(2), command + ["rack.yaml"], in: workspace).expectError(
        64, mentioning: ["rack.yaml: network.bandwidth: 'fast' is not allowed", "bytes a second"])
      try Program.run(command + ["none.yaml"], in: workspace).expectError(
        66, mentioning: ["none.yaml: cannot be read", "infiniband-100"])
      try workspace.write("rack.yaml", "network: {bandwidth: 1e9}\n")
      try Program.run(.mpirun(2), command + ["rack.yaml"], in: workspace).expectSuccess()
      let summary = String(decoding: try workspace.bytes("out/scaling/summary.md"), as: UTF8.self)
      #expect(summary.contains("| rack: head 384-4796 with as many classes for each rank"))
    }
  }
}
