"""PPO in one file, in the style of CleanRL: torch alone, on `gymnasium.make_vec` of the game or the dream.

The whole algorithm can be read from top to bottom; it pays for a task (docs/envs.md) with numbered actions.

Run:  python examples/cleanrl_ppo.py [--steps 40000] [--env worldsim/Voxel-v0] [--task tower]
"""

from __future__ import annotations

import argparse
import time
from collections import deque

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

import worldsim  # noqa: F401 - registers the envs
from worldsim.task_vector import TaskVectorEnv


class Agent(nn.Module):
    """Picture to logits of the actions and a value."""

    def __init__(self, height: int, width: int, actions: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()
        )
        with torch.no_grad():
            size = self.trunk(torch.zeros(1, 3, height, width)).shape[1]
        self.join = nn.Sequential(nn.Linear(size, 128), nn.ReLU())
        self.actor, self.critic = nn.Linear(128, actions), nn.Linear(128, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)  # begins with all actions alike

    def forward(self, obs: Tensor) -> tuple[Categorical, Tensor]:
        """Policy and value [N] of frames uint8 [N, H, W, 3]."""
        features = self.join(self.trunk(obs.movedim(-1, 1).float() / 255))
        return Categorical(logits=self.actor(features)), self.critic(features)[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="worldsim/Voxel-v0", help="worldsim/Voxel-v0 or worldsim/Dream-v0")
    parser.add_argument("--world", help="for the dream: a shipped world's name or a folder")
    parser.add_argument("--task", default="tower", help="collect, beacon, roam, tower, dry or night")
    parser.add_argument("--limit", type=int, help="ticks an episode may take")
    parser.add_argument("--steps", type=int, default=40_000, help="ticks in all worlds together")
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--rollout", type=int, default=128, help="ticks of each world between two updates")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--minibatches", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--lam", type=float, default=0.95)
    parser.add_argument("--clip", type=float, default=0.2)
    parser.add_argument("--entropy", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    made = {"world": args.world} if args.world else {}
    if args.env == "worldsim/Voxel-v0":
        made = {"width": 64, "height": 64}
    envs = gymnasium.make_vec(
        args.env, num_envs=args.num_envs, action_space="discrete", autoreset_mode="Disabled", **made
    )
    envs = TaskVectorEnv(envs, args.task, limit=args.limit)  # resets in the same step
    N, T = args.num_envs, args.rollout
    height, width, _ = envs.single_observation_space.shape
    agent = Agent(height, width, int(envs.single_action_space.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

    obs = torch.zeros((T, N, height, width, 3), dtype=torch.uint8)
    actions = torch.zeros((T, N), dtype=torch.int64)
    logprobs, rewards, values, next_values, ends = torch.zeros((5, T, N))

    current = torch.from_numpy(envs.reset(seed=args.seed)[0])
    recent: deque[float] = deque(maxlen=50)
    paid, start = np.zeros(N), time.perf_counter()
    for update in range(1, max(1, args.steps // (N * T)) + 1):
        for t in range(T):
            obs[t] = current
            with torch.no_grad():
                policy, values[t] = agent(current)
            actions[t] = policy.sample()
            logprobs[t] = policy.log_prob(actions[t])
            after, reward, terminated, truncated, info = envs.step(actions[t].numpy())
            rewards[t] = torch.from_numpy(reward)
            current = torch.from_numpy(after)
            done = terminated | truncated
            # What comes after: of an episode that was cut off, its own last frame; of one that ended, nothing.
            last = current.clone()
            for i in np.flatnonzero(done):
                last[i] = torch.from_numpy(info["final_obs"][i])
            with torch.no_grad():
                next_values[t] = agent(last)[1] * torch.from_numpy(~terminated)
            ends[t] = torch.from_numpy(done)
            paid += reward
            recent.extend(paid[done])
            paid[done] = 0

        # Generalised advantage estimation (Schulman et al. 2016)
        advantages, running = torch.zeros((T, N)), torch.zeros(N)
        for t in reversed(range(T)):
            delta = rewards[t] + args.gamma * next_values[t] - values[t]
            running = delta + args.gamma * args.lam * (1 - ends[t]) * running
            advantages[t] = running
        returns = advantages + values

        flat = [x.reshape(T * N, *x.shape[2:]) for x in (obs, actions, logprobs, advantages, returns)]
        for _ in range(args.epochs):
            for picks in torch.randperm(T * N).chunk(args.minibatches):
                b_obs, b_actions, b_logprobs, b_advantages, b_returns = (x[picks] for x in flat)
                policy, value = agent(b_obs)
                ratio = (policy.log_prob(b_actions) - b_logprobs).exp()
                b_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
                gain = torch.min(
                    ratio * b_advantages, ratio.clamp(1 - args.clip, 1 + args.clip) * b_advantages
                ).mean()
                loss = (
                    -gain + 0.5 * (value - b_returns).pow(2).mean() - args.entropy * policy.entropy().mean()
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()

        steps = update * N * T
        mean = f"{np.mean(recent):.2f}" if recent else "none has ended yet"
        speed = steps / (time.perf_counter() - start)
        print(f"{steps} ticks, mean return of the last episodes {mean}, {speed:.0f} ticks/s", flush=True)
    envs.close()


if __name__ == "__main__":
    main()
